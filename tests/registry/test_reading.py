"""How jobs stand: their turn, their pages, their events."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from alambique.registry import jobs
from alambique.registry.clock import now
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.errors import BadSpec, UnknownName
from alambique.spec.job import Job
from alambique.spec.states import State

Made = Callable[..., JobRow]
LEASE = timedelta(minutes=1)


def test_an_unknown_job_is_said_to_be_unknown(database: Database) -> None:
    with database.read() as session, pytest.raises(UnknownName, match="jobs list"):
        jobs.find(session, uuid4())
    with database.write() as session, pytest.raises(UnknownName):
        jobs.cancel(session, uuid4())


def test_the_highest_priority_is_taken_first_then_the_oldest(
    database: Database, posted: Made, taken: Made
) -> None:
    low = posted(priority=10)
    old, new = posted(), posted()
    high = posted(priority=90)
    expected = [high.id, old.id, new.id, low.id]
    with database.read() as session:
        assert [row.id for row in jobs.candidates(session)] == expected
        assert [jobs.waiting(session, job_id).ahead for job_id in expected] == [0, 1, 2, 3]
    assert [taken().id for _ in range(4)] == expected
    with database.write() as session:
        assert jobs.take(session, "driver", LEASE) is None


def test_a_job_says_why_it_waits(database: Database, job: Job, posted: Made, taken: Made) -> None:
    first, second = posted(), posted()
    with database.read() as session:
        assert jobs.waiting(session, second.id).why == "1 job is ahead of it"
        assert "alambique worker" in jobs.waiting(session, first.id).why
        assert "room for 1 worker of 1 CPU " in jobs.waiting(session, first.id).why
    taken()
    with database.read() as session:
        assert "now running: 1" in jobs.waiting(session, second.id).why
        assert "it is running" in jobs.waiting(session, first.id).why


def test_events_and_logs_go_on_from_where_a_reader_was(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    held = taken()
    with database.write() as session:
        for lines in (["one"], ["two\0", "three"]):
            jobs.note(session, held.id, held.token, "log", {"lines": lines})
        jobs.note(session, held.id, None, "opened", {"by": "somebody"})
    with database.read() as session:
        all_of_them = jobs.events(session, held.id)
        half = jobs.events(session, held.id, limit=2)
        assert half + jobs.events(session, held.id, after=half[-1].id) == all_of_them
        logs = jobs.logs(session, held.id)
        assert jobs.logs(session, held.id, after=logs[0].id) == logs[1:]
        assert jobs.logs(session, held.id, after=2**70) == ()
    assert [one.kind for one in all_of_them] == ["state", "state", "log", "log", "opened"]
    assert [one.content["lines"] for one in logs] == [["one"], ["two\ufffd", "three"]]


def test_pages_stay_while_jobs_come_in(database: Database, posted: Made) -> None:
    made = [posted().id for _ in range(7)]
    seen: list[UUID] = []
    cursor: str | None = None
    while True:
        with database.read() as session:
            page = jobs.page(session, cursor=cursor, limit=3)
        seen += [row.id for row in page.items]
        posted()
        cursor = page.next
        if cursor is None:
            break
    assert seen == made[::-1]


def test_a_page_that_ends_the_list_has_no_next(database: Database, posted: Made) -> None:
    for _ in range(3):
        posted()
    with database.read() as session:
        assert jobs.page(session, limit=3).next is None
        assert jobs.page(session, limit=2).next is not None
        assert jobs.page(session, project="nobody").items == ()


def test_a_page_holds_what_was_asked_for(database: Database, posted: Made, taken: Made) -> None:
    mine = posted(project="mine", name="a")
    posted(name="b")
    held = taken(job_id=mine.id)
    with database.read() as session:
        for found in (
            jobs.page(session, project="mine"),
            jobs.page(session, state=State.RUNNING),
            jobs.page(session, name="a", task="named-entities"),
        ):
            assert found.items == (held,)
        for nothing in ("question-answering", "\0", "\ud800"):
            assert jobs.page(session, task=nothing).items == ()


@pytest.mark.parametrize("cursor", ["", "?", "AAAA", "é", "A" * 23])
def test_a_cursor_of_somebodys_own_is_refused(database: Database, cursor: str) -> None:
    with database.read() as session, pytest.raises(BadSpec, match="no cursor"):
        jobs.page(session, cursor=cursor)


def test_times_are_of_the_database(database: Database, job: Job) -> None:
    with database.write() as session:
        before = now(session)
        row = jobs.submit(session, job)
        assert before <= row.created_at <= now(session)
