"""One look at the database for all event streams of this process, however many there are."""

import asyncio
import logging
import threading
from collections.abc import Collection
from uuid import UUID

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.db_errors import is_away
from alambique.spec.disk import is_disk_full

POLL = 0.3
"""Seconds between two looks for new events."""

_log = logging.getLogger(__name__)


class EventPoller:
    """Wakes the streams whose jobs have new events. It looks only while some stream waits."""

    def __init__(self, database: Database, stop: threading.Event, *, pause: float = POLL) -> None:
        """Take the event that is set when the server stops, and the seconds between two looks."""
        self._database = database
        self._stop = stop
        self._pause = pause
        self._waiting: dict[asyncio.Future[None], tuple[UUID, int]] = {}
        self._task: asyncio.Task[None] | None = None
        self._away = False

    async def wait(self, job_id: UUID, after: int) -> None:
        """Return once the job has an event with an id above `after`, or the server stops.

        It may return early. While the database does not answer, it waits.

        Raises:
            SQLAlchemyError: looking for events failed otherwise.
        """
        news = asyncio.get_running_loop().create_future()
        self._waiting[news] = (job_id, after)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            await news
        finally:
            del self._waiting[news]

    async def close(self) -> None:
        """Wait until no look is under way: whoever closes the database does this before.

        The server must have said that it stops, which ends the streams.
        """
        if self._task is not None:
            await self._task

    async def look(self) -> None:
        """Wake those streams that have news now, by one statement."""
        watched = {job_id for job_id, _ in self._waiting.values()}
        try:
            newest = await run_in_threadpool(self._newest, watched)
        except SQLAlchemyError as error:
            if not (is_away(error) or is_disk_full(error)):
                raise
            if not self._away:
                _log.error("the database does not answer: event streams wait", exc_info=error)
            self._away = True
            return
        self._away = False
        for news, (job_id, after) in self._waiting.items():
            # a job that is not there any more is left to its stream, which notices
            if job_id in watched and (job_id not in newest or newest[job_id] > after):
                _wake(news)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._pause)
                if self._stop.is_set():
                    for news in self._waiting:
                        _wake(news)
                else:
                    await self.look()
        except Exception as error:
            _log.error("event streams end: looking for events failed", exc_info=error)
            for news in self._waiting:
                if not news.done():
                    news.set_exception(error)

    def _newest(self, watched: Collection[UUID]) -> dict[UUID, int]:
        with self._database.read() as session:
            return jobs.newest_events(session, watched)


def _wake(news: asyncio.Future[None]) -> None:
    if not news.done():
        news.set_result(None)
