"""The events of a job as they come: from a server, or from the registry of this very process."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alambique.api.client import Client
from alambique.api.transport import NoServer
from alambique.api.views import EventView
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.db_errors import is_away
from alambique.registry.records import Event
from alambique.registry.transitions import WAITING
from alambique.spec.disk import is_disk_full

T = TypeVar("T")

_JOB_PAUSE = 1.0
"""Seconds between two looks at a job that waits: what it waits for is no event of its own."""
_REGISTRY_PAUSE = 0.3
"""Seconds between two looks for new events in the registry."""


def job_events(client: Client, job_id: UUID, *, pause: float = _JOB_PAUSE) -> Iterator[EventView]:
    """Yield the events of a job on a server until it is over.

    While it waits there is also an event of kind "waiting" at once, and another whenever its
    `ahead` and `why` change.
    """
    for event in client.watch(job_id):
        yield event
        if event.kind == "state" and event.content["state"] in WAITING:
            yield from _waiting_events(client, job_id, pause)


def _waiting_events(client: Client, job_id: UUID, pause: float) -> Iterator[EventView]:
    """Yield why the job waits, until it does not; events come in meanwhile, and are read then."""
    last = None
    while (waiting := _waiting(client, job_id)) is not None:
        if waiting != last:
            yield EventView(id=0, at=datetime.now(UTC), kind="waiting", content=waiting)
            last = waiting
        time.sleep(pause)


def _waiting(client: Client, job_id: UUID) -> dict[str, object] | None:
    try:
        waiting = client.job(job_id).waiting
    except NoServer:
        return None  # the stream finds that out too, and knows how often to try again
    return waiting.model_dump() if waiting else None


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
        from rich.console import Console

        from alambique.cli.progress import follow

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
                time.sleep(_REGISTRY_PAUSE)

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
