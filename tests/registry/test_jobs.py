"""The life of a job, verb by verb."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from alambique.registry import jobs, tables
from alambique.registry.clock import now
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.registry.transitions import Retries
from alambique.spec.errors import BadSpec, Conflict, UnknownName
from alambique.spec.job import Job
from alambique.spec.reading import job_of
from alambique.spec.states import Reason, Stage, State

LEASE = timedelta(minutes=1)
OVER_AT_ONCE = timedelta(0)
NO_PAUSE = Retries(pause=timedelta(0))


def posted(database: Database, job: Job, **changes: Any) -> JobRow:
    with database.write() as session:
        return jobs.submit(session, job.model_copy(update=changes))


def taken(database: Database, lease: timedelta = LEASE, job_id: UUID | None = None) -> JobRow:
    with database.write() as session:
        row = jobs.take(session, "driver", lease, job_id=job_id)
    assert row is not None
    return row


def states(database: Database, job_id: UUID) -> list[tuple[str, str | None]]:
    with database.read() as session:
        happened = jobs.events(session, job_id)
    return [
        (one.content["state"], one.content.get("reason")) for one in happened if one.kind == "state"
    ]


def test_a_posted_job_says_all_that_was_posted(database: Database, job: Job) -> None:
    row = posted(database, job, deadline=timedelta(hours=6), priority=70)
    with database.read() as session:
        assert jobs.find(session, row.id) == row
    assert (row.state, row.tag, row.attempts, row.token) == (State.QUEUED, 1, 0, 0)
    assert (row.project, row.name, row.task) == ("default", "tiny", "named-entities")
    assert row.deadline_at == row.created_at + timedelta(hours=6)
    assert job_of(row.spec).priority == 70
    assert states(database, row.id) == [("queued", None)]


def test_an_unknown_job_is_said_to_be_unknown(database: Database) -> None:
    with database.read() as session, pytest.raises(UnknownName, match="jobs list"):
        jobs.find(session, uuid4())
    with database.write() as session, pytest.raises(UnknownName):
        jobs.cancel(session, uuid4())


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


def test_the_highest_priority_is_taken_first_then_the_oldest(database: Database, job: Job) -> None:
    low = posted(database, job, priority=10)
    old, new = posted(database, job), posted(database, job)
    high = posted(database, job, priority=90)
    expected = [high.id, old.id, new.id, low.id]
    with database.read() as session:
        assert [row.id for row in jobs.candidates(session)] == expected
        assert [jobs.waiting(session, job_id).ahead for job_id in expected] == [0, 1, 2, 3]
    assert [taken(database).id for _ in range(4)] == expected
    with database.write() as session:
        assert jobs.take(session, "driver", LEASE) is None


def test_a_dispatcher_may_take_the_job_it_has_room_for(database: Database, job: Job) -> None:
    posted(database, job)
    second = posted(database, job)
    assert taken(database, job_id=second.id).id == second.id
    with database.write() as session:
        assert jobs.take(session, "driver", LEASE, job_id=second.id) is None


def test_two_dispatchers_at_once_take_two_jobs(database: Database, job: Job) -> None:
    wanted = {posted(database, job).id for _ in range(8)}
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


def test_a_taken_job_is_held_under_a_token(database: Database, job: Job) -> None:
    row = posted(database, job)
    held = taken(database)
    assert (held.state, held.token, held.attempts, held.holder) == (State.RUNNING, 1, 1, "driver")
    assert held.tag == row.tag + 1
    assert held.started_at is not None
    assert held.lease_until is not None
    assert timedelta(0) <= held.lease_until - held.started_at <= LEASE


def test_progress_is_seen_and_told(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database)
    with database.write() as session:
        jobs.progress(
            session,
            held.id,
            held.token,
            stage=Stage.DISTIL,
            fraction=0.25,
            eta_seconds=30.0,
            loss=float("nan"),
            metric=0.5,
            message="epoch 1\0 of 4",
        )
    with database.read() as session:
        row, event = jobs.find(session, held.id), jobs.events(session, held.id)[-1]
    assert (row.stage, row.progress, row.eta_seconds) == (Stage.DISTIL, 0.25, 30.0)
    assert (row.loss, row.metric) == (None, 0.5)  # JSON has no NaN
    assert row.message == "epoch 1\N{REPLACEMENT CHARACTER} of 4"
    assert row.tag == held.tag + 1
    assert event.kind == "progress"
    assert event.content["fraction"] == 0.25


def test_a_renewed_lease_is_no_change_to_readers(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database, OVER_AT_ONCE)
    with database.write() as session:
        assert jobs.renew(session, held.id, held.token, LEASE) is None
        assert jobs.reap(session) == ()
        assert jobs.find(session, held.id).tag == held.tag


def test_a_job_succeeds_with_its_result(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database)
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


def test_a_failure_that_may_pass_is_tried_again_three_times(database: Database, job: Job) -> None:
    posted(database, job)
    for attempt, then in ((1, State.RETRYING), (2, State.RETRYING), (3, State.FAILED)):
        held = taken(database)
        assert (held.attempts, held.token) == (attempt, attempt)
        with database.write() as session:
            reason = Reason.OUT_OF_MEMORY
            row = jobs.fail(session, held.id, held.token, reason, "no room", retries=NO_PAUSE)
        assert (row.state, row.reason, row.message) == (then, reason, "no room")
    assert row.finished_at is not None


def test_a_retry_waits_its_pause(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database)
    with database.write() as session:
        row = jobs.fail(session, held.id, held.token, Reason.INTERNAL, "?")
        assert jobs.candidates(session) == ()
        assert jobs.take(session, "driver", LEASE) is None
        why = jobs.waiting(session, held.id).why
    assert row.not_before is not None
    assert row.not_before > row.updated_at
    assert "internal" in why
    assert f"{row.not_before:%H:%M:%S} UTC" in why


def test_bad_data_is_not_tried_again(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database)
    with database.write() as session:
        row = jobs.fail(session, held.id, held.token, Reason.BAD_DATA, "line 3")
    assert (row.state, row.reason) == (State.FAILED, Reason.BAD_DATA)


def test_a_clean_shutdown_does_not_cost_an_attempt(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database)
    with database.write() as session:
        row = jobs.release(session, held.id, held.token)
    assert (row.state, row.reason, row.attempts) == (State.QUEUED, Reason.SHUTDOWN, 0)
    again = taken(database)
    assert (again.attempts, again.token) == (1, 2)
    assert again.started_at == held.started_at


def test_a_waiting_job_is_cancelled_at_once(database: Database, job: Job) -> None:
    row = posted(database, job)
    with database.write() as session:
        first = jobs.cancel(session, row.id)
    with database.write() as session:
        again = jobs.cancel(session, row.id, kill=True)
    assert (first.state, first.reason) == (State.CANCELLED, Reason.USER)
    assert again == first
    with database.write() as session:
        assert jobs.take(session, "driver", LEASE) is None


def test_the_holder_of_a_running_job_is_asked_to_stop(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database)
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
    database: Database, job: Job
) -> None:
    posted(database, job)
    held = taken(database)
    with database.write() as session:
        jobs.cancel(session, held.id)
        assert jobs.finish(session, held.id, held.token, {}).state is State.SUCCEEDED
    with database.write() as session, pytest.raises(Conflict, match="it is over"):
        jobs.cancel(session, held.id)


def test_a_shutdown_of_a_job_to_be_cancelled_cancels_it(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database)
    with database.write() as session:
        jobs.cancel(session, held.id)
        row = jobs.release(session, held.id, held.token)
    assert (row.state, row.reason) == (State.CANCELLED, Reason.USER)


def test_a_lost_worker_is_found_and_its_job_tried_again(database: Database, job: Job) -> None:
    posted(database, job)
    for then in (State.RETRYING, State.RETRYING, State.FAILED):
        held = taken(database, OVER_AT_ONCE)
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


def test_a_lost_worker_that_was_to_stop_has_stopped(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database, OVER_AT_ONCE)
    with database.write() as session:
        jobs.cancel(session, held.id)
        (row,) = jobs.reap(session)
    assert (row.state, row.reason) == (State.CANCELLED, Reason.USER)


def test_a_deadline_ends_a_job_wherever_it_is(database: Database, job: Job) -> None:
    late = {"deadline": timedelta(microseconds=1)}
    waits, runs = posted(database, job, **late), posted(database, job, **late)
    in_time = posted(database, job, deadline=timedelta(days=1))
    held = taken(database, job_id=runs.id)
    with database.write() as session:
        after = {row.id: row for row in jobs.reap(session)}
        assert jobs.reap(session) == ()
    assert in_time.id not in after
    assert (after[waits.id].state, after[waits.id].reason) == (State.CANCELLED, Reason.DEADLINE)
    assert (after[runs.id].state, after[runs.id].asked) == (State.CANCELLING, "cancel")
    with database.write() as session:
        row = jobs.fail(session, held.id, held.token, Reason.USER, "stopped as asked")
    assert (row.state, row.reason) == (State.CANCELLED, Reason.DEADLINE)


def test_a_job_says_why_it_waits(database: Database, job: Job) -> None:
    first, second = posted(database, job), posted(database, job)
    with database.read() as session:
        assert "1 workers" not in jobs.waiting(session, second.id).why
        assert jobs.waiting(session, second.id).why == "1 job is ahead of it"
        assert "alambique worker" in jobs.waiting(session, first.id).why
    taken(database)
    with database.read() as session:
        assert "now running: 1" in jobs.waiting(session, second.id).why
        assert "it is running" in jobs.waiting(session, first.id).why


def test_events_and_logs_go_on_from_where_a_reader_was(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database)
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
    assert [one.kind for one in all_of_them] == ["state", "state", "log", "log", "opened"]
    assert [one.content["lines"] for one in logs] == [["one"], ["two\0", "three"]]


def test_a_step_that_is_not_allowed_changes_nothing(database: Database, job: Job) -> None:
    row = posted(database, job)
    with database.write() as session, pytest.raises(Conflict, match="cannot become succeeded"):
        jobs.move(session, row.id, State.SUCCEEDED)
    with database.read() as session:
        assert jobs.find(session, row.id) == row
        assert len(jobs.events(session, row.id)) == 1


def test_a_paused_job_waits_for_somebody(database: Database, job: Job) -> None:
    posted(database, job)
    held = taken(database)
    with database.write() as session:
        jobs.move(session, held.id, State.PAUSED, reason=Reason.USER, token=held.token)
        assert jobs.take(session, "driver", LEASE) is None
        assert "paused" in jobs.waiting(session, held.id).why
        jobs.move(session, held.id, State.QUEUED)
        assert jobs.take(session, "driver", LEASE) is not None


def test_pages_stay_while_jobs_come_in(database: Database, job: Job) -> None:
    made = [posted(database, job).id for _ in range(7)]
    seen: list[UUID] = []
    cursor: str | None = None
    while True:
        with database.read() as session:
            page = jobs.page(session, cursor=cursor, limit=3)
        seen += [row.id for row in page.items]
        posted(database, job)
        cursor = page.next
        if cursor is None:
            break
    assert seen == made[::-1]


def test_a_page_that_ends_the_list_has_no_next(database: Database, job: Job) -> None:
    for _ in range(3):
        posted(database, job)
    with database.read() as session:
        assert jobs.page(session, limit=3).next is None
        assert jobs.page(session, limit=2).next is not None
        assert jobs.page(session, project="nobody").items == ()


def test_a_page_holds_what_was_asked_for(database: Database, job: Job) -> None:
    mine = posted(database, job, project="mine", name="a")
    posted(database, job, name="b")
    held = taken(database, job_id=mine.id)
    with database.read() as session:
        for found in (
            jobs.page(session, project="mine"),
            jobs.page(session, state=State.RUNNING),
            jobs.page(session, name="a", task="named-entities"),
        ):
            assert found.items == (held,)
        assert jobs.page(session, task="question-answering").items == ()


@pytest.mark.parametrize("cursor", ["", "?", "AAAA", "é", "A" * 23])
def test_a_cursor_of_somebodys_own_is_refused(database: Database, cursor: str) -> None:
    with database.read() as session, pytest.raises(BadSpec, match="no cursor"):
        jobs.page(session, cursor=cursor)


def test_times_are_of_the_database(database: Database, job: Job) -> None:
    with database.write() as session:
        before = now(session)
        row = jobs.submit(session, job)
        assert before <= row.created_at <= now(session)
