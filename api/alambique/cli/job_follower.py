"""The events of a job that this very process carries out, shown as they come into the registry."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar
from uuid import UUID

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alambique.api.views import EventView
from alambique.cli.progress import follow
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.db_errors import is_away
from alambique.registry.records import Event
from alambique.spec.disk import is_disk_full

T = TypeVar("T")

_PAUSE = 0.3
"""Seconds between two looks for new events."""


class JobFollower:
    """Follows one job from a thread of its own, since the job itself has the main one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, job_id: UUID) -> None:
        """Show the job from now on, and return at once."""
        self._thread = threading.Thread(target=self._show, args=(job_id,), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Show what is left, then stop."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _show(self, job_id: UUID) -> None:
        name = self._read(lambda session: jobs.find(session, job_id).name, otherwise=None)
        follow(name or str(job_id), self._events(job_id), Console())

    def _events(self, job_id: UUID) -> Iterator[EventView]:
        after, last = 0, False
        while not last:
            last = self._over.is_set()  # then one more look, for what came before
            for event in self._new_events(job_id, after):
                after = event.id
                yield EventView(id=event.id, at=event.at, kind=event.kind, content=event.content)
            if not last:
                time.sleep(_PAUSE)

    def _new_events(self, job_id: UUID, after: int) -> tuple[Event, ...]:
        return self._read(lambda session: jobs.events(session, job_id, after), otherwise=())

    def _read(self, read: Callable[[Session], T], *, otherwise: T) -> T:
        """Return what the registry says; `otherwise` while its database does not answer."""
        try:
            with self._database.read() as session:
                return read(session)
        except SQLAlchemyError as error:
            if not (is_away(error) or is_disk_full(error)):
                raise
            return otherwise
