"""The words in which a job tells how it stands."""

from enum import StrEnum


class State(StrEnum):
    """Where a job is between being posted and being over."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to the job by itself."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Reason(StrEnum):
    """Why a job is in its state, where the state alone does not say."""

    USER = "user"
    DEADLINE = "deadline"
    OUT_OF_MEMORY = "out_of_memory"
    NO_DISK = "no_disk"
    BAD_SPEC = "bad_spec"
    NO_DATA = "no_data"
    """The files of a data set are not at hand."""
    BAD_DATA = "bad_data"
    BAD_TEACHER = "bad_teacher"
    BAD_MODEL = "bad_model"
    DIVERGED = "diverged"
    UNREACHABLE = "unreachable"
    """The hub did not answer."""
    LOST_WORKER = "lost_worker"
    OTHER_CODE = "other_code"
    """A process of Ray runs other code than the driver, as while a cluster is upgraded."""
    NO_DATABASE = "no_database"
    """The database was away for longer than the lease of the job."""
    SHUTDOWN = "shutdown"
    QUOTA = "quota"
    INTERNAL = "internal"


class TrialState(StrEnum):
    """Where a trial of a search is."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    """Early, by the scheduler: others were better after as many epochs."""
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Begun, but nobody holds its job now. Told of one that the registry still has as running."""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to the trial."""
        return self not in (TrialState.RUNNING, TrialState.INTERRUPTED)


class StageName(StrEnum):
    """The steps of a job, in their order."""

    CHECK = "check"
    TEACH = "teach"
    CACHE = "cache"
    DISTIL = "distil"
    EVALUATE = "evaluate"
    COMPRESS = "compress"
    REGISTER = "register"


class StudentRole(StrEnum):
    """What a student is in its job."""

    GOLD_ONLY = "gold-only"
    """A baseline: learns labels alone, from what its teacher started from."""
    SAME_START = "same-start"
    """A baseline: learns labels alone, from what the distilled student starts from."""
    DISTILLED = "distilled"
    """Learns from its teacher."""

    @property
    def is_baseline(self) -> bool:
        """Whether it learns nothing from a teacher."""
        return self is not StudentRole.DISTILLED


class PublicationState(StrEnum):
    """Where a publication is between being asked for and being over."""

    WAITING = "waiting"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    REFUSED = "refused"
    """By a licence, a check of its files, or the hub: it goes on once it is asked for again."""
    FAILED = "failed"
    """Tried as often as a publication is, without an answer that says why."""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to the publication by itself."""
        return self not in (PublicationState.WAITING, PublicationState.PUBLISHING)
