"""A job in the hands of its driver: what it says, where it works, and whom it reports to."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.job import Job
from alambique.spec.settings import Settings
from alambique.spec.states import Stage
from alambique.workers.holding import Holding

if TYPE_CHECKING:  # Ray takes a second to import, and a job of one process never does
    from alambique.workers.cluster import Cluster


@dataclass(frozen=True)
class Work:
    """A job that this process holds."""

    id: UUID
    token: int
    job: Job
    settings: Settings
    database: Database
    holding: Holding
    cluster: Callable[[], AbstractContextManager["Cluster"]]
    """Connects to Ray; only stages that use several processes call it."""

    @property
    def desk(self) -> Path:
        """The folder of the project's stages."""
        return self.settings.home.absolute() / "stages" / self.job.project

    @property
    def near(self) -> Path:
        """The folder of the near tier."""
        return self.settings.home.absolute() / "cache"

    def report(
        self,
        stage: Stage,
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
        """Adds lines to the job's log, unless the database does not answer."""
        with suppress(SQLAlchemyError):
            self.note("log", {"lines": list(lines)})

    def note(self, kind: str, content: dict[str, Any]) -> None:
        """Adds an event of that kind to those of the job."""
        with self.database.write() as session:
            jobs.note(session, self.id, self.token, kind, content)

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
