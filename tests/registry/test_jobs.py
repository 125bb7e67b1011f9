"""Jobs posted, taken, carried on and finished."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest

from alambique.registry import jobs, tables
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.errors import Conflict
from alambique.spec.job import Job
from alambique.spec.reading import job_of
from alambique.spec.states import StageName, State

Made = Callable[..., JobRow]
LEASE = timedelta(minutes=1)
OVER_AT_ONCE = timedelta(0)


def states(database: Database, job_id: UUID) -> list[tuple[str, str | None]]:
    with database.read() as session:
        happened = jobs.events(session, job_id)
    return [
        (one.content["state"], one.content.get("reason")) for one in happened if one.kind == "state"
    ]


def test_a_posted_job_says_all_that_was_posted(database: Database, posted: Made) -> None:
    row = posted(deadline=timedelta(hours=6), priority=70)
    with database.read() as session:
        assert jobs.find(session, row.id) == row
    assert (row.state, row.tag, row.attempts, row.token) == (State.QUEUED, 1, 0, 0)
    assert (row.project, row.name, row.task) == ("default", "tiny", "named-entities")
    assert row.deadline_at == row.created_at + timedelta(hours=6)
    assert job_of(row.spec).priority == 70
    assert states(database, row.id) == [("queued", None)]


def test_one_key_makes_one_job(database: Database, job: Job) -> None:
    with database.write() as session:
        first = jobs.submit(session, job, key="k")
    with database.write() as session:
        again = jobs.submit(session, job, key="k")
    assert again == first
    with database.write() as session, pytest.raises(Conflict, match="another spec"):
        jobs.submit(session, job.model_copy(update={"priority": 1}), key="k")
    with database.write() as session:
        elsewhere = jobs.submit(session, job.model_copy(update={"project": "other"}), key="k")
    assert elsewhere.id != first.id


def test_one_key_makes_one_job_of_many_at_once(database: Database, job: Job) -> None:
    together = Barrier(8)

    def submit(_: int) -> UUID:
        together.wait()
        with database.write() as session:
            return jobs.submit(session, job, key="any \0 text\ud800").id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(submit, range(8)))) == 1
    with database.read() as session:
        assert len(jobs.page(session).items) == 1


def test_a_key_is_free_again_where_its_job_was_not_made(database: Database, job: Job) -> None:
    def fail() -> None:
        with database.write() as session:
            jobs.submit(session, job, key="k")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.write() as session:
        made = jobs.submit(session, job.model_copy(update={"priority": 1}), key="k")
    assert made.priority == 1


def test_a_dispatcher_may_take_the_job_it_has_room_for(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    second = posted()
    assert taken(job_id=second.id).id == second.id
    with database.write() as session:
        assert jobs.take(session, "driver", LEASE, job_id=second.id) is None


def test_two_dispatchers_at_once_take_two_jobs(database: Database, posted: Made) -> None:
    wanted = {posted().id for _ in range(8)}
    together = Barrier(8)

    def take(_: int) -> UUID | None:
        together.wait()
        while True:
            with database.write() as session:
                row = jobs.take(session, "driver", LEASE)
                left = jobs.candidates(session)
            if row is not None or not left:
                return row.id if row else None

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(take, range(8))) == wanted


def test_a_taken_job_is_held_under_a_token(posted: Made, taken: Made) -> None:
    row = posted()
    held = taken()
    assert (held.state, held.token, held.attempts, held.holder) == (State.RUNNING, 1, 1, "driver")
    assert held.tag == row.tag + 1
    assert held.started_at is not None
    assert held.lease_until is not None
    assert timedelta(0) <= held.lease_until - held.started_at <= LEASE


def test_progress_is_seen_and_told(database: Database, posted: Made, taken: Made) -> None:
    posted()
    held = taken()
    with database.write() as session:
        jobs.record_progress(
            session,
            held.id,
            held.token,
            stage=StageName.DISTIL,
            fraction=0.25,
            eta_seconds=30.0,
            loss=float("nan"),
            metric=0.5,
            message="epoch 1\0 of 4",
        )
    with database.read() as session:
        row, event = jobs.find(session, held.id), jobs.events(session, held.id)[-1]
    assert (row.stage, row.progress, row.eta_seconds) == (StageName.DISTIL, 0.25, 30.0)
    assert (row.loss, row.metric) == (None, 0.5)  # JSON has no NaN
    assert row.message == "epoch 1\N{REPLACEMENT CHARACTER} of 4"
    assert row.tag == held.tag + 1
    assert event.kind == "progress"
    assert event.content["fraction"] == 0.25


def test_a_renewed_lease_is_no_change_to_readers(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    held = taken(OVER_AT_ONCE)
    with database.write() as session:
        assert jobs.renew(session, held.id, held.token, LEASE) is None
        assert jobs.reap(session) == ()
        assert jobs.find(session, held.id).tag == held.tag


def test_a_job_succeeds_with_its_result(database: Database, posted: Made, taken: Made) -> None:
    posted()
    held = taken()
    table = {"rows": [{"model": "teacher", "f1": 0.9}], "é": None}
    with database.write() as session:
        row = jobs.finish(session, held.id, held.token, table)
    assert (row.state, row.result, row.progress) == (State.SUCCEEDED, table, 1.0)
    assert row.finished_at is not None
    assert (row.holder, row.lease_until) == (None, None)
    with database.read() as session:
        attempt = session.get_one(tables.Attempt, (held.id, held.token))
        assert (attempt.outcome, attempt.finished_at) == (State.SUCCEEDED, row.finished_at)
        assert jobs.find(session, held.id) == row
    assert states(database, held.id) == [("queued", None), ("running", None), ("succeeded", None)]


def test_a_step_that_is_not_allowed_changes_nothing(database: Database, posted: Made) -> None:
    row = posted()
    with database.write() as session, pytest.raises(Conflict, match="cannot become succeeded"):
        jobs.move(session, row.id, State.SUCCEEDED)
    with database.read() as session:
        assert jobs.find(session, row.id) == row
        assert len(jobs.events(session, row.id)) == 1
