"""A job in the hands of its driver: what it says, where it works, and whom it reports to."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alambique.registry import jobs
from alambique.registry.bounds import slices_of
from alambique.registry.database import Database
from alambique.registry.retry import read, write
from alambique.spec.job import Job
from alambique.spec.settings import Settings
from alambique.spec.states import StageName
from alambique.workers.queue.lease_keeper import LeaseKeeper

if TYPE_CHECKING:  # Ray takes a second to import, and a job of one process never does
    from alambique.workers.cluster import Cluster

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


@dataclass(frozen=True)
class JobContext:
    """A job that this process holds."""

    id: UUID
    token: int
    job: Job
    settings: Settings
    database: Database
    holding: LeaseKeeper
    cluster: Callable[[], AbstractContextManager["Cluster"]]
    """Connects to Ray; only stages that use several processes call it."""
    unwritten: LogBuffer = field(default_factory=LogBuffer, compare=False)
    """What `log` could not write."""

    @property
    def desk(self) -> Path:
        """The folder of the project's stages."""
        return self.settings.home.absolute() / "stages" / self.job.project

    @property
    def near(self) -> Path:
        """The folder of the near tier."""
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
        """Tells everybody how the stage gets on; nobody, while the database does not answer."""
        with suppress(SQLAlchemyError), self.database.write() as session:
            jobs.progress(
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
        """Adds lines to the job's log; with the next ones, while the database does not answer.

        It is not waited for: the heartbeat logs too.
        """
        with (
            suppress(SQLAlchemyError),
            self.unwritten.drain(*lines) as unwritten,
            self.database.write() as session,
        ):
            self.write_log(session, unwritten)

    def write_log(self, session: Session, lines: Iterable[str]) -> None:
        """Add lines to the job's log in a transaction, in as many events as they fill."""
        for part in slices_of(lines):
            jobs.note(session, self.id, self.token, "log", {"lines": part})

    def note(self, kind: str, content: dict[str, Any]) -> None:
        """Adds an event of that kind to those of the job."""
        self.write(lambda session: jobs.note(session, self.id, self.token, kind, content))

    @contextmanager
    def alone(self, name: str, why: str) -> Iterator[None]:
        """Holds a name that other jobs of the project may want too; waits while one has it."""
        self.holding.wait_for([name], lambda: self.log(why))
        try:
            yield
        finally:
            self.holding.let_go([name])

    @contextmanager
    def alone_if_free(self, name: str) -> Iterator[bool]:
        """As `alone`, but it does not wait: whether the name is held here now."""
        mine = self.holding.take([name])
        try:
            yield bool(mine)
        finally:
            self.holding.let_go(mine)
