"""How a job ends that does not simply succeed, and how it begins again."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from alambique.registry import jobs, tables
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.registry.transitions import Retries
from alambique.spec.errors import Conflict
from alambique.spec.job import Job
from alambique.spec.states import Reason, State

Made = Callable[..., JobRow]
LEASE = timedelta(minutes=1)
OVER_AT_ONCE = timedelta(0)
NO_PAUSE = Retries(pause=timedelta(0))


def test_a_failure_that_may_pass_is_tried_again_three_times(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    for attempt, then in ((1, State.RETRYING), (2, State.RETRYING), (3, State.FAILED)):
        held = taken()
        assert (held.attempts, held.token) == (attempt, attempt)
        with database.write() as session:
            reason = Reason.OUT_OF_MEMORY
            row = jobs.fail(session, held.id, held.token, reason, "no room", retries=NO_PAUSE)
        assert (row.state, row.reason, row.message) == (then, reason, "no room")
    assert row.finished_at is not None


def test_a_retry_waits_its_pause(database: Database, posted: Made, taken: Made) -> None:
    posted()
    held = taken()
    with database.write() as session:
        row = jobs.fail(session, held.id, held.token, Reason.INTERNAL, "?")
        assert jobs.candidates(session) == ()
        assert jobs.take(session, "driver", LEASE) is None
        why = jobs.waiting(session, held.id).why
    assert row.not_before is not None
    assert row.not_before > row.updated_at
    assert "internal" in why
    assert f"{row.not_before:%H:%M:%S} UTC" in why


def test_bad_data_is_not_tried_again(database: Database, posted: Made, taken: Made) -> None:
    posted()
    held = taken()
    with database.write() as session:
        row = jobs.fail(session, held.id, held.token, Reason.BAD_DATA, "line 3")
    assert (row.state, row.reason) == (State.FAILED, Reason.BAD_DATA)


def test_a_clean_shutdown_does_not_cost_an_attempt(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    held = taken()
    with database.write() as session:
        row = jobs.release(session, held.id, held.token)
    assert (row.state, row.reason, row.attempts) == (State.QUEUED, Reason.SHUTDOWN, 0)
    again = taken()
    assert (again.attempts, again.token) == (1, 2)
    assert again.started_at == held.started_at


def test_a_waiting_job_is_cancelled_at_once(database: Database, posted: Made) -> None:
    row = posted()
    with database.write() as session:
        first = jobs.cancel(session, row.id)
    with database.write() as session:
        again = jobs.cancel(session, row.id, kill=True)
    assert (first.state, first.reason) == (State.CANCELLED, Reason.USER)
    assert again == first
    with database.write() as session:
        assert jobs.take(session, "driver", LEASE) is None


def test_the_holder_of_a_running_job_is_asked_to_stop(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    held = taken()
    with database.write() as session:
        first = jobs.cancel(session, held.id)
        again = jobs.cancel(session, held.id)
        assert jobs.renew(session, held.id, held.token, LEASE) == "cancel"
    assert (first.state, first.asked, first.holder) == (State.CANCELLING, "cancel", "driver")
    assert again == first
    with database.write() as session:
        urged = jobs.cancel(session, held.id, kill=True)
        assert jobs.cancel(session, held.id, kill=False) == urged
        assert jobs.renew(session, held.id, held.token, LEASE) == "kill"
    with database.write() as session:
        row = jobs.fail(session, held.id, held.token, Reason.INTERNAL, "stopped")
    assert (row.state, row.reason, row.asked) == (State.CANCELLED, Reason.USER, None)


def test_a_job_that_ended_before_it_saw_the_wish_has_succeeded(
    database: Database, job: Job, posted: Made, taken: Made
) -> None:
    posted()
    held = taken()
    with database.write() as session:
        jobs.cancel(session, held.id)
        row = jobs.finish(session, held.id, held.token, {})
    assert (row.state, row.reason) == (State.SUCCEEDED, None)
    assert "came too late" in (row.message or "")
    with database.write() as session, pytest.raises(Conflict, match="it is over"):
        jobs.cancel(session, held.id)


def test_twenty_outages_of_the_database_are_no_attempts(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    ends = []
    for _ in range(22):
        held = taken()
        with database.write() as session:
            why = Reason.NO_DATABASE
            row = jobs.fail(session, held.id, held.token, why, "away", retries=NO_PAUSE)
        ends.append((row.state, row.reason, row.attempts))
    again = [(State.RETRYING, Reason.NO_DATABASE, attempts) for attempts in (0, 1, 2)]
    assert ends == [*[again[0]] * 20, again[1], again[2]]


@pytest.mark.parametrize(("kill", "told"), [(False, "cancelled"), (True, "killed")])
def test_who_asked_for_the_end_is_told_that_and_not_how_it_came(
    database: Database, posted: Made, taken: Made, kill: bool, told: str
) -> None:
    posted()
    held = taken()
    with database.write() as session:
        jobs.cancel(session, held.id, kill=kill)
        row = jobs.fail(session, held.id, held.token, Reason.LOST_WORKER, "signal 9: no memory?")
    assert (row.state, row.reason, row.message) == (
        State.CANCELLED,
        Reason.USER,
        f"{told} on request",
    )


def test_a_shutdown_of_a_job_to_be_cancelled_cancels_it(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    held = taken()
    with database.write() as session:
        jobs.cancel(session, held.id)
        row = jobs.release(session, held.id, held.token)
    assert (row.state, row.reason) == (State.CANCELLED, Reason.USER)


def test_a_lost_worker_is_found_and_its_job_tried_again(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    for then in (State.RETRYING, State.RETRYING, State.FAILED):
        held = taken(OVER_AT_ONCE)
        with database.write() as session:
            (row,) = jobs.reap(session)
        assert (row.id, row.state, row.reason) == (held.id, then, Reason.LOST_WORKER)
        assert row.message is not None
        assert "driver" in row.message
    with database.write() as session:
        assert jobs.reap(session) == ()
    with database.read() as session:
        ends = session.scalars(select(tables.Attempt.outcome).order_by(tables.Attempt.token)).all()
    assert ends == [State.RETRYING, State.RETRYING, State.FAILED]


def test_a_lost_worker_that_was_to_stop_has_stopped(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    held = taken(OVER_AT_ONCE)
    with database.write() as session:
        jobs.cancel(session, held.id)
        (row,) = jobs.reap(session)
    assert (row.state, row.reason) == (State.CANCELLED, Reason.USER)


def test_a_deadline_ends_a_job_wherever_it_is(
    database: Database, posted: Made, taken: Made
) -> None:
    late = {"deadline": timedelta(microseconds=1)}
    waits, runs = posted(**late), posted(**late)
    in_time = posted(deadline=timedelta(days=1))
    held = taken(job_id=runs.id)
    with database.write() as session:
        after = {row.id: row for row in jobs.reap(session)}
        assert jobs.reap(session) == ()
    assert in_time.id not in after
    assert (after[waits.id].state, after[waits.id].reason) == (State.CANCELLED, Reason.DEADLINE)
    assert (after[runs.id].state, after[runs.id].asked) == (State.CANCELLING, "cancel")
    with database.write() as session:
        row = jobs.fail(session, held.id, held.token, Reason.USER, "stopped as asked")
    assert (row.state, row.reason) == (State.CANCELLED, Reason.DEADLINE)


def test_a_paused_job_waits_for_somebody(database: Database, posted: Made, taken: Made) -> None:
    posted()
    held = taken()
    with database.write() as session:
        jobs.move(session, held.id, State.PAUSED, reason=Reason.USER, token=held.token)
        assert jobs.take(session, "driver", LEASE) is None
        assert "paused" in jobs.waiting(session, held.id).why
        jobs.move(session, held.id, State.QUEUED)
        assert jobs.take(session, "driver", LEASE) is not None
