"""The job that a driver runs: its spec, the results of its stages so far, and its services."""

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
    """What runs the work of stages on several processes: see `ray.cluster.Cluster`."""

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
    """A job that this process holds: its spec, the results of its stages so far, its services."""

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
    check_result: CheckResult | None = None
    """The result of the check; None until it is over."""
    teachers: tuple[SelectedTeacher, ...] = ()
    """The teachers, once they are fine-tuned and chosen."""
    outputs: tuple[CachedOutputs, ...] = ()
    """The location of each teacher's outputs, once they are computed; empty if none are needed."""

    @property
    def inputs(self) -> CheckResult:
        """The job's examples and models, which exist once the check is over."""
        assert self.check_result is not None, "the check comes before every other stage"
        return self.check_result

    @property
    def data(self) -> DataSet:
        """The job's examples, which exist once the check is over."""
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
        """Return the result of a query; while the database does not answer, try again.

        It is tried for as long as the lease lasts: past that the job is not ours.
        """
        return read(self.database, query, patience=self.settings.lease)

    def write(self, change: Callable[[Session], T]) -> T:
        """Change the registry in one transaction; while the database does not answer, try again.

        It is tried for as long as the lease lasts: past that the job is not ours. A change whose
        commit got no answer is made again.
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
        """Record the progress of a stage, from 0 to 1; skip it if the database does not answer."""
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
        """Add lines to the job's log, or keep them for the next call if the database is not there.

        This never waits for the database, since the heartbeat logs too.
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
        """Add an event of a kind to the job."""
        self.write(lambda session: jobs.note(session, self.id, self.token, kind, content))

    @contextmanager
    def lease(self, name: str, waiting: str) -> Iterator[None]:
        """Hold a lease of that name within the block; if another job holds it, log and wait.

        Args:
            name: the name that one job at a time holds.
            waiting: the line for the log.
        """
        self.leases.wait_for([name], lambda: self.log(waiting))
        try:
            yield
        finally:
            self.leases.release([name])

    @contextmanager
    def lease_if_free(self, name: str) -> Iterator[bool]:
        """Hold a lease of that name within the block if it is free; yield whether it was."""
        names = self.leases.take([name])
        try:
            yield bool(names)
        finally:
            self.leases.release(names)


@contextmanager
def forward_logs(context: JobContext) -> Iterator[None]:
    """Within the block, write the log records of this package into the log of the job too."""
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
            # a warning that the lease is lost must not raise that error once more
            with suppress(LostLease):
                self._context.log(f"{record.levelname.lower()}: {record.getMessage()}")


def traceback_lines(error: BaseException, count: int = 40) -> list[str]:
    """Return the last lines of a traceback, each cut so that all of them fit into one event."""
    text = "".join(traceback.format_exception(error))
    return [excerpt(line, LINES // (count + 1)) for line in text.rstrip().split("\n")[-count:]]
