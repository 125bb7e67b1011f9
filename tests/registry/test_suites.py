"""Suites posted whole, read with the states of their jobs, and cancelled; on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from alambique.registry import jobs, suites
from alambique.registry.database import Database
from alambique.registry.records import JobRow, SuiteRow
from alambique.spec.errors import Conflict, UnknownName
from alambique.spec.matrix import jobs_of
from alambique.spec.states import Reason, State
from alambique.spec.suite import Cell, Suite, read_suite

LEASE = timedelta(minutes=1)
SUITE = """
name: both
shared: {teacher: {model: mini-es, train: {}}}
tasks:
  ner: {task: named-entities, data: conll2002}
  pos: {task: part-of-speech, data: ud-gsd}
students: {small: {layers: 1}, large: {layers: 2}}
"""


@pytest.fixture
def suite() -> Suite:
    return read_suite(SUITE)


def submitted(database: Database, suite: Suite, key: str | None = None) -> SuiteRow:
    with database.write() as session:
        return suites.submit(session, suite, jobs_of(suite), key=key)


def taken(database: Database) -> JobRow:
    with database.write() as session:
        row = jobs.take(session, "test", LEASE)
    assert row is not None
    return row


def test_all_jobs_are_queued_in_the_order_of_their_cells(database: Database, suite: Suite) -> None:
    row = submitted(database, suite)
    assert (row.name, row.states, row.over) == ("both", {State.QUEUED: 4}, False)
    with database.read() as session:
        assert suites.find(session, row.id) == row
        found = suites.jobs_in(session, row.id)
    assert [Cell.model_validate(job.cell) for job in found] == list(suite.cells())
    taken_in_turn = [taken(database) for _ in found]
    assert [job.id for job in taken_in_turn] == [job.id for job in found]
    assert {job.suite_id for job in taken_in_turn} == {row.id}
    with database.read() as session:
        assert [one.kind for one in jobs.events(session, found[0].id)] == ["state", "state"]


def test_it_is_over_when_all_its_jobs_are(database: Database, suite: Suite) -> None:
    row = submitted(database, suite)
    for number in range(4):
        job = taken(database)
        with database.write() as session:
            if number:
                jobs.finish(session, job.id, job.token, {})
            else:
                jobs.fail(session, job.id, job.token, Reason.BAD_DATA, "broken")
            assert suites.find(session, row.id).over is (number == 3)
    with database.read() as session:
        states = suites.find(session, row.id).states
    assert states == {State.FAILED: 1, State.SUCCEEDED: 3}


def test_one_key_makes_one_suite(database: Database, suite: Suite) -> None:
    first = submitted(database, suite, "k")
    assert submitted(database, suite, "k") == first
    assert submitted(database, suite) != first
    with pytest.raises(Conflict, match="another spec, which became suite"):
        submitted(database, suite.model_copy(update={"seeds": (1,)}), "k")
    other = submitted(database, suite.model_copy(update={"project": "other"}), "k")
    assert other.id != first.id
    with database.read() as session:
        assert len(jobs.page(session, limit=50).items) == 12


def test_results_are_of_the_jobs_that_succeeded(database: Database, suite: Suite) -> None:
    row, first, second = submitted(database, suite), taken(database), taken(database)
    with database.write() as session:
        jobs.finish(session, second.id, second.token, {"rows": []})
    with database.write() as session:
        jobs.fail(session, first.id, first.token, Reason.BAD_DATA, "broken")
    with database.read() as session:
        assert suites.results(session, row.id) == ((second.id, second.cell, {"rows": []}),)


def test_one_key_makes_one_suite_of_many_at_once(database: Database, suite: Suite) -> None:
    together = Barrier(4)

    def submit(_: int) -> UUID:
        together.wait()
        return submitted(database, suite, "k").id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(submit, range(4)))) == 1
    with database.read() as session:
        assert len(jobs.page(session).items) == 4


def test_a_thousand_jobs_are_queued_in_few_statements(database: Database, suite: Suite) -> None:
    seen: list[str] = []
    with database.write() as session:
        event.listen(session.get_bind(), "before_cursor_execute", lambda *a: seen.append(a[2]))
        many = suite.model_copy(update={"seeds": tuple(range(250))})
        row = suites.submit(session, many, jobs_of(many))
    assert row.states == {State.QUEUED: 1000}
    assert 0 < len(seen) < 100


def test_a_suite_has_all_of_its_jobs_or_none(database: Database, suite: Suite) -> None:
    def broken() -> None:
        with database.write() as session:
            suites.submit(session, suite, jobs_of(suite))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    with database.read() as session:
        assert not jobs.page(session).items
        assert not suites.page(session).items


def test_cancelling_it_ends_what_is_not_over(database: Database, suite: Suite) -> None:
    row = submitted(database, suite)
    done, going = taken(database), taken(database)
    with database.write() as session:
        jobs.finish(session, done.id, done.token, {})
    with database.write() as session:
        assert suites.cancel(session, row.id, limit=2)
    with database.write() as session:
        assert not suites.cancel(session, row.id, limit=2)
    with database.read() as session:
        found = suites.find(session, row.id)
        assert jobs.find(session, going.id).asked == "cancel"
    assert found.states == {State.SUCCEEDED: 1, State.CANCELLING: 1, State.CANCELLED: 2}


def test_pages_are_newest_first_and_by_project(database: Database, suite: Suite) -> None:
    rows = [submitted(database, suite) for _ in range(3)]
    submitted(database, suite.model_copy(update={"project": "other"}))
    with database.read() as session:
        first = suites.page(session, project="default", limit=2)
        second = suites.page(session, project="default", limit=2, cursor=first.next)
    assert [*first.items, *second.items] == rows[::-1]
    assert second.next is None


def test_one_that_is_not_there(database: Database) -> None:
    with database.write() as session:
        for look in (suites.find, suites.cancel):
            with pytest.raises(UnknownName, match="there is no suite"):
                look(session, uuid4())
