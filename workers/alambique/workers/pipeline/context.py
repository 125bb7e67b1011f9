"""The job that a driver carries: what it says, what its stages found, and where it reports to."""

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alambique.registry import jobs
from alambique.registry.bounds import LINES, slices_of
from alambique.registry.database import Database
from alambique.registry.retry import read, write
from alambique.spec.errors import LostLease
from alambique.spec.excerpts import excerpt
from alambique.spec.job import Job
from alambique.spec.settings import Settings
from alambique.spec.states import StageName
from alambique.spec.train import Resources
from alambique.tasks.all import find
from alambique.tasks.task import Task
from alambique.workers.pipeline.lease_keeper import LeaseKeeper
from alambique.workers.pipeline.records import (
    CachedOutputs,
    CheckResult,
    DataSet,
    SelectedTeacher,
)
from alambique.workers.training.spec import FillTask, TrainingSpec

if TYPE_CHECKING:  # it imports torch, which takes seconds
    from alambique.workers.training.trial import SearchRun, TrialSource

T = TypeVar("T")

_UNWRITTEN = 1000
"""Lines of the log that are kept while the database does not answer; of more, the last ones."""


class LogBuffer:
    """Lines of a job's log that the database has not taken yet, for all threads of a driver."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._lock = Lock()

    def take(self) -> list[str]:
        """Return all lines, which are not here any more."""
        with self._lock:
            lines, self._lines = self._lines, []
        return lines

    @contextmanager
    def drain(self, *more: str) -> Iterator[list[str]]:
        """Give all lines and `more` to a block that writes them; if it fails, they are kept."""
        lines = [*self.take(), *more]
        try:
            yield lines
        except BaseException:  # an interrupt loses none either
            with self._lock:
                self._lines = [*lines, *self._lines][-_UNWRITTEN:]
            raise


class Cluster(Protocol):
    """Where stages run what takes several processes: see `ray.cluster.Cluster`."""

    def train(self, spec: TrainingSpec, resources: Resources) -> None:
        """Train on `resources.workers` processes; the result is in the folder of the run."""

    def run_trials(self, source: "TrialSource", run: "SearchRun") -> None:
        """Run the trials of a search to their ends."""

    def fill(
        self,
        task: FillTask,
        resources: Resources,
        groups: Sequence[Sequence[int]],
        on_filled: Callable[[int], None],
    ) -> None:
        """Compute the teacher outputs that buckets lack, on `resources.workers` processes."""


@dataclass(frozen=True)
class JobContext:
    """A job that this process holds: what it says, what its stages found, and its services."""

    id: UUID
    token: int
    """Of the lease: the registry takes changes under the newest token alone."""
    job: Job
    settings: Settings
    database: Database
    leases: LeaseKeeper
    connect: Callable[[], AbstractContextManager[Cluster]]
    """Connects to Ray; only stages that use several processes call it."""
    unwritten_log: LogBuffer = field(default_factory=LogBuffer, compare=False)
    """Lines that `log` could not write."""
    checked: CheckResult | None = None
    """What the check found, once it is over."""
    teachers: tuple[SelectedTeacher, ...] = ()
    """The teachers, once they are fine-tuned and chosen."""
    outputs: tuple[CachedOutputs, ...] = ()
    """Where each teacher's outputs are, once they are computed; none where none are learnt from."""

    @property
    def inputs(self) -> CheckResult:
        """The job's examples and models. They are there once the check is over."""
        assert self.checked is not None, "the check comes before every other stage"
        return self.checked

    @property
    def data(self) -> DataSet:
        """The job's examples. They are there once the check is over."""
        return self.inputs.data

    @property
    def task(self) -> Task[Any, Any]:
        """The job's task."""
        return find(self.job.task)

    def with_seed(self, seed: int) -> "JobContext":
        """Return the context of the same job with another seed for its students."""
        return replace(self, job=self.job.with_seed(seed))

    @property
    def stages_folder(self) -> Path:
        """The folder of the project's stages."""
        return self.settings.home.absolute() / "stages" / self.job.project

    @property
    def near_cache(self) -> Path:
        """The folder of the near tier of teacher outputs."""
        return self.settings.home.absolute() / "cache"

    def read(self, query: Callable[[Session], T]) -> T:
        """Return what the registry says; a database that is away is waited for.

        No longer than the lease lasts: past that the job is not ours.
        """
        return read(self.database, query, patience=self.settings.lease)

    def write(self, change: Callable[[Session], T]) -> T:
        """Change the registry in one transaction; a database that is away is waited for.

        No longer than the lease lasts: past that the job is not ours. Where the answer to the
        commit was lost, the change is made again.
        """
        return write(self.database, change, patience=self.settings.lease)

    def report(
        self,
        stage: StageName,
        fraction: float,
        *,
        eta_seconds: float | None = None,
        loss: float | None = None,
        metric: float | None = None,
        message: str | None = None,
    ) -> None:
        """Report how far a stage is, from 0 to 1; not at all while the database does not answer."""
        with suppress(SQLAlchemyError), self.database.write() as session:
            jobs.record_progress(
                session,
                self.id,
                self.token,
                stage=stage,
                fraction=fraction,
                eta_seconds=eta_seconds,
                loss=loss,
                metric=metric,
                message=message,
            )

    def log(self, *lines: str) -> None:
        """Add lines to the job's log; while the database does not answer, with the next ones.

        It is not waited for, since the heartbeat logs too.
        """
        with (
            suppress(SQLAlchemyError),
            self.unwritten_log.drain(*lines) as unwritten,
            self.database.write() as session,
        ):
            self.write_log(session, unwritten)

    def write_log(self, session: Session, lines: Iterable[str]) -> None:
        """Add lines to the job's log in a transaction, in as many events as they fill."""
        for part in slices_of(lines):
            jobs.note(session, self.id, self.token, "log", {"lines": part})

    def add_event(self, kind: str, content: dict[str, Any]) -> None:
        """Add an event of that kind to those of the job."""
        self.write(lambda session: jobs.note(session, self.id, self.token, kind, content))

    @contextmanager
    def lease(self, name: str, waiting: str) -> Iterator[None]:
        """Hold a name that other jobs may want too; while one has it, log `waiting` and wait."""
        self.leases.wait_for([name], lambda: self.log(waiting))
        try:
            yield
        finally:
            self.leases.release([name])

    @contextmanager
    def lease_if_free(self, name: str) -> Iterator[bool]:
        """Hold a name if no other job does; the block is given whether it is held here now."""
        names = self.leases.take([name])
        try:
            yield bool(names)
        finally:
            self.leases.release(names)


@contextmanager
def forward_logs(context: JobContext) -> Iterator[None]:
    """Within the block, write our own log records into the log of the job too."""
    handler, logger = _JobLogHandler(context), logging.getLogger("alambique")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _JobLogHandler(logging.Handler):
    def __init__(self, context: JobContext) -> None:
        super().__init__(logging.INFO)
        self._context = context

    def emit(self, record: logging.LogRecord) -> None:
        # only ours: a library's remarks would drown them
        if record.name.startswith("alambique"):
            # whoever warns that the job is lost must get over it, not fall over it
            with suppress(LostLease):
                self._context.log(f"{record.levelname.lower()}: {record.getMessage()}")


def traceback_lines(error: BaseException, count: int = 40) -> list[str]:
    """Return the last lines of an error's traceback, none so long that the others find no room."""
    text = "".join(traceback.format_exception(error))
    return [excerpt(line, LINES // (count + 1)) for line in text.rstrip().split("\n")[-count:]]
