"""How jobs stand: their turn, their pages, their events."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, update

from alambique.registry import jobs, tables
from alambique.registry.database import Database
from alambique.registry.dialects import now
from alambique.registry.job_queries import PAGE
from alambique.registry.records import JobRow
from alambique.spec.errors import BadSpec, UnknownName
from alambique.spec.job import Job
from alambique.spec.states import Reason, State

Made = Callable[..., JobRow]
Statements = Callable[[], AbstractContextManager[list[str]]]
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


def queue(database: Database, rng: random.Random, job: Job) -> None:
    """A queue of any kind: of few priorities, with jobs of every state, some of them for later."""
    with database.write() as session:
        session.execute(delete(tables.Event))
        session.execute(delete(tables.Job))
        priorities = [rng.choice((10, 50, 90)) for _ in range(rng.randint(1, 12))]
        rows = [jobs.submit(session, job.model_copy(update={"priority": p})) for p in priorities]
        at = now(session)
        for row in rows:
            state = rng.choice((*[State.QUEUED] * 3, State.RETRYING, *State))
            later = {"not_before": at + timedelta(hours=rng.choice((-1, 1)))}
            changes = later | {"reason": Reason.LOST_WORKER} if state is State.RETRYING else {}
            # some at the same moment: then ids decide
            made = {"created_at": at - timedelta(seconds=rng.randint(0, 2))}
            statement = update(tables.Job).where(tables.Job.id == row.id)
            session.execute(statement.values(state=state, **made, **changes))


def test_of_a_page_it_is_said_as_of_each_job(database: Database, job: Job) -> None:
    rng = random.Random(1)
    for _ in range(15):
        queue(database, rng, job)
        with database.read() as session:
            rows = jobs.page(session, limit=200).items
            turn = [row.id for row in jobs.candidates(session, limit=200)]
            found = jobs.waiting_of(session, rows)
            alone = {row.id: jobs.waiting(session, row.id) for row in rows if row.id in found}
        assert found == alone
        assert set(found) == {r.id for r in rows if r.state in (State.QUEUED, State.RETRYING)}
        assert [found[job_id].ahead for job_id in turn] == list(range(len(turn)))


def test_a_page_of_jobs_that_wait_costs_as_much_as_one(
    database: Database, posted: Made, statements: Statements
) -> None:
    rows = [posted() for _ in range(20)]
    with database.read() as session:
        for some in ([], rows[:1], rows):
            with statements() as sent:
                assert len(jobs.waiting_of(session, some)) == len(some)
            selects = [statement for statement in sent if statement.startswith("SELECT")]
            assert len(selects) == (2 if some else 0)


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


def test_the_newest_events_of_many_jobs_are_one_statement(
    database: Database, posted: Made, statements: Statements
) -> None:
    rows = [posted() for _ in range(5)]
    with database.write() as session:
        for row in (rows[3], rows[0], rows[3]):
            jobs.note(session, row.id, None, "opened", {})
    asked = [row.id for row in rows[:4]]
    with database.read() as session:
        expected = {job_id: jobs.events(session, job_id)[-1].id for job_id in asked}
        with statements() as sent:
            found = jobs.newest_events(session, [*asked, uuid4()])
        assert jobs.newest_events(session, []) == {}
    assert found == expected
    assert len(sent) == 1


def test_jobs_are_found_by_how_their_ids_begin(database: Database, posted: Made) -> None:
    ids = [posted().id for _ in range(5)]
    with database.read() as session:
        for prefix in (ids[2].hex, str(ids[2]), str(ids[2]).upper()):
            assert [row.id for row in jobs.page(session, id_prefix=prefix).items] == [ids[2]]
        first = ids[0].hex[:6]  # of one hour: they share these digits
        newest = sorted((one for one in ids if one.hex.startswith(first)), reverse=True)
        assert [row.id for row in jobs.page(session, id_prefix=first).items] == newest
        assert jobs.page(session, id_prefix="f").items == ()
        page = jobs.page(session, id_prefix="0", limit=2)
        rest = jobs.page(session, id_prefix="0", limit=9, cursor=page.next)
        assert [row.id for row in (*page.items, *rest.items)] == sorted(ids, reverse=True)


@pytest.mark.parametrize("prefix", ["", "-", "xyz", "0" * 33, "%"])
def test_what_no_id_begins_with_is_refused(database: Database, prefix: str) -> None:
    with database.read() as session, pytest.raises(BadSpec):
        jobs.page(session, id_prefix=prefix)


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


def test_a_page_of_large_jobs_ends_early_and_the_next_one_goes_on(
    database: Database, posted: Made
) -> None:
    small, *large = (posted().id for _ in range(4))
    with database.write() as session:
        spec = {"name": "x" * (PAGE // 2)}
        session.execute(update(tables.Job).where(tables.Job.id.in_(large)).values(spec=spec))
    with database.read() as session:
        first = jobs.page(session, limit=200)
        rest = jobs.page(session, limit=200, cursor=first.next)
    assert [row.id for row in first.items] == large[:0:-1]
    assert [row.id for row in rest.items] == [large[0], small]
    assert rest.next is None


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
