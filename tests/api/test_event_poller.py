"""One look for all streams: what it costs, whom it wakes, what an outage does to it."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from alambique.api.context import Context
from alambique.api.event_poller import EventPoller
from alambique.api.gains import StoredGains
from alambique.api.jobs import events
from alambique.api.predictor import Predictor
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.job import Job
from alambique.spec.settings import Settings

Away = Callable[[SecretStr], AbstractContextManager[None]]
Statements = Callable[[], AbstractContextManager[list[str]]]
NEVER = 3600.0
"""Seconds: a poller that looks only when it is told to."""
ALL = 1 << 40
"""An id above those of all events."""


def post(database: Database, job: Job) -> JobRow:
    with database.write() as session:
        return jobs.submit(session, job)


async def streams(
    poller: EventPoller, waits: Sequence[tuple[UUID, int]]
) -> list[asyncio.Task[None]]:
    """Begin to wait; each stands in the list of the poller once this returns."""
    tasks = [asyncio.create_task(poller.wait(job_id, after)) for job_id, after in waits]
    await asyncio.sleep(0)
    return tasks


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_look_for_many_streams_costs_as_much_as_for_one(
    database: Database, job: Job, statements: Statements
) -> None:
    rows = [post(database, job) for _ in range(10)]

    async def cost(number: int) -> int:
        poller = EventPoller(database, threading.Event(), pause=NEVER)
        tasks = await streams(poller, [(rows[n % 10].id, ALL) for n in range(number)])
        with statements() as sent:
            await poller.look()
        assert not any(task.done() for task in tasks)
        await end(tasks)
        assert len([one for one in sent if "events" in one]) == 1
        return len(sent)

    assert asyncio.run(cost(50)) == asyncio.run(cost(1))


def test_a_look_wakes_those_with_news_and_no_others(database: Database, job: Job) -> None:
    told, silent = post(database, job), post(database, job)
    with database.read() as session:
        newest = jobs.newest_events(session, [told.id, silent.id])
    gone = uuid4()

    async def woken() -> list[bool]:
        poller = EventPoller(database, threading.Event(), pause=NEVER)
        waits = [(told.id, newest[told.id]), (silent.id, newest[silent.id])]
        tasks = await streams(poller, [*waits, (told.id, 0), (gone, 0)])
        with database.write() as session:
            jobs.note(session, told.id, None, "opened", {})
        await poller.look()
        await asyncio.sleep(0)
        done = [task.done() for task in tasks]
        await end(tasks)
        return done

    assert asyncio.run(woken()) == [True, False, True, True]


def test_nobody_looks_where_nobody_listens(
    database: Database, job: Job, statements: Statements
) -> None:
    """A poller that has ended begins again with the next stream."""
    row = post(database, job)

    async def sent() -> int:
        poller = EventPoller(database, threading.Event(), pause=0)
        for _ in range(2):
            await poller.wait(row.id, 0)
        with statements() as seen:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others)
        return len([one for one in seen if "events" in one])

    assert asyncio.run(sent()) <= 1


def test_a_server_that_stops_wakes_all(database: Database, job: Job) -> None:
    row, stop = post(database, job), threading.Event()

    async def waited() -> None:
        poller = EventPoller(database, stop, pause=0)
        tasks = await streams(poller, [(row.id, ALL)] * 5)
        stop.set()
        await asyncio.gather(*tasks)

    asyncio.run(waited())


@contextmanager
def errors_of_pollers(seen: asyncio.Event) -> Iterator[list[logging.LogRecord]]:
    """What they log; the event is set by each record."""
    records: list[logging.LogRecord] = []

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)
            seen.set()

    handler, log = Seen(), logging.getLogger("alambique.api.event_poller")
    log.addHandler(handler)
    try:
        yield records
    finally:
        log.removeHandler(handler)


@pytest.mark.parametrize("first", [0, 1], ids=["from the start", "while it waits"])
def test_a_stream_outlives_an_outage(
    first: int, tmp_path: Path, on_server: SecretStr, away: Away, job: Job
) -> None:
    settings = Settings(home=tmp_path, database_url=on_server)
    database, stop = Database(settings.database), threading.Event()
    database.upgrade()
    row = post(database, job)

    async def told() -> tuple[list[str], int]:
        poller = EventPoller(database, stop, pause=0)
        context = Context(
            settings, database, stop, poller, StoredGains(database), Predictor(settings)
        )
        stream, seen = events(context, row.id, 0), asyncio.Event()
        kinds = [str((await anext(stream)).event) for _ in range(first)]
        with errors_of_pollers(seen) as records:
            with away(on_server):
                next_one = asyncio.ensure_future(anext(stream))
                await seen.wait()
            if first:
                with database.write() as session:
                    jobs.cancel(session, row.id)
            kinds.append(str((await next_one).event))
            if not first:
                with database.write() as session:
                    jobs.cancel(session, row.id)
            kinds += [str(sent.event) async for sent in stream]
        await poller.close()  # else a look may be under way when the database is closed
        return kinds, len(records)

    assert asyncio.run(told()) == (["state", "state"], 1)
    database.dispose()


NO_TABLE = "CREATE VIEW elsewhere AS SELECT 1"
NO_SUM = "CREATE VIEW events AS SELECT * FROM kept WHERE abs(-9223372036854775808) > 0"


@pytest.mark.parametrize("instead", [NO_TABLE, NO_SUM], ids=["without its table", "overflow"])
def test_an_error_of_the_program_ends_all_streams_and_is_logged_once(
    tmp_path: Path, job: Job, instead: str
) -> None:
    settings = Settings(home=tmp_path)
    database, stop = Database(settings.database), threading.Event()
    database.upgrade()
    row = post(database, job)

    async def ended() -> list[logging.LogRecord]:
        poller = EventPoller(database, stop, pause=0.01)
        context = Context(
            settings, database, stop, poller, StoredGains(database), Predictor(settings)
        )
        several = [events(context, row.id, 0) for _ in range(3)]
        for stream in several:
            await anext(stream)
        with database.write() as session:
            session.execute(text("ALTER TABLE events RENAME TO kept"))
            session.execute(text(instead))
        with errors_of_pollers(asyncio.Event()) as records:
            async with asyncio.timeout(60):  # a poller that goes on waiting fails here
                waiting = [poller.wait(row.id, ALL) for _ in range(2)]
                nexts = [anext(stream) for stream in several]
                found = await asyncio.gather(*waiting, *nexts, return_exceptions=True)
        assert {type(one) for one in found} == {OperationalError}
        return records

    assert len(asyncio.run(ended())) == 1
    database.dispose()
