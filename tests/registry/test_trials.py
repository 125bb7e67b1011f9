"""The trials of a search: begun, told of, ended, each under its job's token; read by pages."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete

from alambique.registry import tables, trials
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Trial
from alambique.spec.errors import BadSpec, LostLease
from alambique.spec.states import Reason, TrialState

VALUES = {"student.layers": 2, "student.width": None, "objective": [{"kind": "gold"}]}


@pytest.fixture
def held(posted: Callable[..., JobRow], taken: Callable[..., JobRow]) -> JobRow:
    """A job that somebody carries."""
    return taken(job_id=posted().id)


def begun(database: Database, job: JobRow, number: int) -> Trial:
    with database.write() as session:
        return trials.begin(session, job.id, job.token, number, VALUES | {"train.seed": number})


def ended(database: Database, job: JobRow, number: int, state: TrialState) -> Trial:
    with database.write() as session:
        found = {"loss": 0.5, "f1": float("nan")}
        return trials.end(session, job.id, job.token, number, state, epochs=3, metrics=found)


def test_a_trial_from_its_beginning_to_its_end(database: Database, held: JobRow) -> None:
    first = begun(database, held, 1)
    assert (first.state, first.epochs, first.metrics, first.curve) == ("running", 0, {}, ())
    assert first.values == VALUES | {"train.seed": 1}
    curve = [{"epoch": 1, "loss": 0.75}, {"epoch": 2, "loss": 0.5}]
    with database.write() as session:
        how = {"loss": 0.5, "macs": 10.0}
        trials.record_progress(session, held.id, held.token, 1, epochs=2, metrics=how, curve=curve)
    with database.read() as session:
        (seen,) = trials.of_job(session, held.id)
    assert (seen.epochs, seen.metrics, seen.curve) == (2, how, tuple(curve))
    done = ended(database, held, 1, TrialState.FINISHED)
    # a number that JSON has no word for is left out
    assert (done.state, done.epochs, done.metrics) == (TrialState.FINISHED, 3, {"loss": 0.5})
    assert done.curve == seen.curve
    assert done.finished_at is not None
    assert done.finished_at >= done.started_at


def test_a_failed_one_tells_why_and_may_begin_anew(database: Database, held: JobRow) -> None:
    begun(database, held, 1)
    with database.write() as session:
        state, why = TrialState.FAILED, Reason.LOST_WORKER
        end = trials.end(
            session, held.id, held.token, 1, state, epochs=0, metrics={}, reason=why, error="g\0one"
        )
    assert (end.reason, end.error) == (Reason.LOST_WORKER, "g\N{REPLACEMENT CHARACTER}one")
    again = begun(database, held, 1)
    assert (again.state, again.reason, again.error, again.finished_at) == ("running",) + (None,) * 3


def test_trials_come_in_pages_and_by_state(database: Database, held: JobRow) -> None:
    states = [TrialState.FINISHED, TrialState.STOPPED, TrialState.FINISHED, TrialState.FAILED]
    for number, state in enumerate(states, 1):
        begun(database, held, number)
        ended(database, held, number, state)
    begun(database, held, 5)
    with database.read() as session:
        first = trials.page(session, held.id, limit=2)
        second = trials.page(session, held.id, limit=2, cursor=first.next)
        last = trials.page(session, held.id, limit=2, cursor=second.next)
        finished = trials.page(session, held.id, state=TrialState.FINISHED)
        counts = trials.counts(session, held.id)
    assert [[one.number for one in page.items] for page in (first, second, last)] == [
        [1, 2],
        [3, 4],
        [5],
    ]
    assert (last.next, finished.next) == (None, None)
    assert [one.number for one in finished.items] == [1, 3]
    assert counts == {"finished": 2, "stopped": 1, "failed": 1, "running": 1}


@pytest.mark.parametrize("cursor", ["", "x", "dHJpYWw6LTE", "dHJpYWw6eA", "ú" * 80])
def test_a_cursor_of_nobody_is_refused(database: Database, held: JobRow, cursor: str) -> None:
    with database.read() as session, pytest.raises(BadSpec, match="no cursor of this list"):
        trials.page(session, held.id, cursor=cursor)


def test_a_stale_driver_writes_nothing(
    database: Database, posted: Callable[..., JobRow], taken: Callable[..., JobRow]
) -> None:
    job = taken(timedelta(0), job_id=posted().id)
    begun(database, job, 1)
    with database.write() as session:
        tables_job = session.get_one(tables.Job, job.id)
        tables_job.token += 1
    with pytest.raises(LostLease):
        begun(database, job, 2)
    with pytest.raises(LostLease):
        ended(database, job, 1, TrialState.FINISHED)
    with database.read() as session:
        assert [one.state for one in trials.of_job(session, job.id)] == ["running"]


def test_a_deleted_job_takes_its_trials_with_it(database: Database, held: JobRow) -> None:
    begun(database, held, 1)
    with database.write() as session:
        session.execute(delete(tables.Job).where(tables.Job.id == held.id))
    with database.read() as session:
        assert trials.of_job(session, held.id) == ()
