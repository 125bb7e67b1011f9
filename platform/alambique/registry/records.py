"""What the registry answers: frozen records, free of SQL.

Times are aware and in UTC, by the database's clock. Sizes are bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from alambique.spec.states import PublicationState, Reason, StageName, State, TrialState

T = TypeVar("T")

Asked = Literal["cancel", "kill"]
"""What the holder of a running job is asked to do: stop at the next heartbeat, or be killed."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and the cursor that asks for the part after it (None: there is none)."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it stands."""

    id: UUID
    project: str
    suite_id: UUID | None
    cell: dict[str, Any] | None
    """Its place in that suite: `spec.Cell` as JSON."""
    name: str | None
    task: str
    spec: dict[str, Any]
    """`spec.Job` as JSON; `job_of(row.spec)` reads it back."""
    state: State
    reason: Reason | None
    message: str | None
    stage: StageName | None
    progress: float | None
    """Of the stage, 0 to 1."""
    eta_seconds: float | None
    loss: float | None
    metric: float | None
    priority: int
    attempts: int
    """Attempts begun; one given back by a clean shutdown does not count."""
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    """Of the first attempt."""
    finished_at: datetime | None
    deadline_at: datetime | None
    not_before: datetime | None
    tag: int
    """Counts up with each change that a reader can see: the ETag. A renewed lease is none."""
    token: int
    """The fence: counts up with each attempt. What an attempt writes, it writes under its token."""
    holder: str | None
    lease_until: datetime | None
    asked: Asked | None
    result: dict[str, Any] | None
    """The table of scores, once the job has succeeded."""


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """A suite, as it was posted."""

    id: UUID
    project: str
    name: str
    spec: dict[str, Any]
    """`spec.Suite` as JSON; `suite_of(row.spec)` reads it back."""
    created_at: datetime
    states: Mapping[State, int]
    """How many of its jobs are in which state; those in which none is are left out."""

    @property
    def over(self) -> bool:
        """Whether none of its jobs has anything left to do."""
        return all(state.over for state in self.states)


@dataclass(frozen=True, slots=True)
class SuiteJobRow:
    """How a job of a suite stands, without its spec and its result; fields as in `JobRow`."""

    id: UUID
    name: str | None
    cell: dict[str, Any]
    state: State
    reason: Reason | None
    message: str | None
    stage: StageName | None
    progress: float | None
    eta_seconds: float | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job; `id` grows within a job, in the order of commits.

    Kinds: state (from, state, reason, message, attempt), progress (stage, fraction, eta_seconds,
    loss, metric, message), asked (asked), log (lines), and what callers of `jobs.note` name.
    """

    id: int
    job_id: UUID
    at: datetime
    kind: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many jobs are ahead of one that waits, and why it waits, as a sentence."""

    ahead: int
    why: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial of a job's search: the job with other values in some fields."""

    number: int
    """From 1, in the order in which they were begun."""
    values: dict[str, Any]
    """By the path of the field."""
    state: TrialState
    epochs: int
    """That are whole."""
    metrics: dict[str, float]
    """On the validation examples, of its best epoch: loss and the task's primary metric; and what
    the student costs. Empty where it failed before there was any."""
    curve: tuple[dict[str, float], ...]
    """After each epoch that another one followed: epoch, and the best loss and metric so far."""
    reason: Reason | None
    """Of a failure, like `error`, which is the message."""
    error: str | None
    started_at: datetime
    """Of its last attempt."""
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class StageDone:
    """The output of a stage that some job of the project has done."""

    key: str
    stage: StageName
    output: dict[str, Any]
    job_id: UUID | None
    """None where that job was deleted since."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A named thing that one holder has until its lease runs out, with the holder's fence."""

    name: str
    token: int


@dataclass(frozen=True, slots=True)
class File:
    """A file of a version."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Metric:
    """A number measured for a version, with the settings it depends on."""

    data: str
    split: str
    name: str
    value: float
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """What a version comes from: another version, or things known by hash only (parent None)."""

    relation: str
    parent: UUID | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote about a version."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version of a model: what it is never changes, what people say of it does.

    These are its aliases, tags and notes, and whether it is deleted.
    """

    id: UUID
    project: str
    name: str
    number: int
    role: str
    """What it is in its job: teacher, student, gold-only, candidate-1 and so on."""
    job_id: UUID | None
    created_at: datetime
    task: str
    labels: tuple[str, ...]
    parameters: int
    macs_linear: int
    macs_full: int
    weights: str
    """Content hash of the weights."""
    artifact: str
    """Key under the artifacts' root, chosen by the server."""
    details: dict[str, Any]
    files: tuple[File, ...]
    metrics: tuple[Metric, ...]
    lineage: tuple[Edge, ...]
    deleted_at: datetime | None = None
    """When somebody deleted it: it is out of all lists, and its files go when it is collected."""
    collected_at: datetime | None = None
    """When its files were removed; its row stays, for the lineage of others."""
    aliases: tuple[str, ...] = ()
    """Names that point to it now, in the order of the alphabet."""
    tags: tuple[str, ...] = ()
    """In the order of the alphabet."""
    notes: tuple[Note, ...] = ()
    """The oldest first."""

    @property
    def tag(self) -> str:
        """Its ETag: another one after each change of what can change."""
        can_change = (self.aliases, self.tags, self.notes, self.deleted_at, self.collected_at)
        return sha256(repr((self.id, can_change)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class AliasMove:
    """A time at which an alias was set, moved or removed."""

    number: int | None
    """Of the version that it pointed to from then on. None: it was removed."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a version of a model, which can be moved to another version."""

    name: str
    number: int | None
    """Of the version that it points to. None: it was removed."""
    tag: int
    """Its ETag: counts up with each move."""
    moves: tuple[AliasMove, ...]
    """The oldest first."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A version that is to be published to one place, and how that stands."""

    id: UUID
    version_id: UUID
    target: str
    """As `spec.publication.target_of` reads it."""
    private: bool
    override: dict[str, Any] | None
    """`spec.publication.LicenceOverride` as JSON."""
    job_id: UUID | None
    """The job that asked for it. None: a person did, or the job was deleted since."""
    state: PublicationState
    attempts: int
    token: int
    """The fence: counts up with each attempt. What an attempt writes, it writes under its token."""
    holder: str | None
    lease_until: datetime | None
    not_before: datetime | None
    message: str | None
    """Why it is in its state, and what to do."""
    commit: str | None
    url: str | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    collection: str | None = None
    """The title of the collection of the hub that its repository is put into."""


@dataclass(frozen=True, slots=True)
class Model:
    """A name under which versions are registered."""

    id: UUID
    project: str
    name: str
    task: str
    created_at: datetime
    versions: int
    """How many there are that are not deleted; `versions.page(name=…)` lists them."""
    latest: Version
    """The newest that is not deleted."""
    match: Version | None = None
    """The newest with all that was asked for. None: that is the latest."""


@dataclass(frozen=True, slots=True)
class ScoredStudent:
    """One training of a student: the key of its example scores."""

    job_id: UUID
    role: str
    """As its version has it: student, gold-only, same-start; of a trial with its number."""
    seed: int
