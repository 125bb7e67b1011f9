"""The trials of a job's search: what was tried, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.bounds import bounded_message
from alambique.registry.dialects import finite, now
from alambique.registry.moves import lock_job
from alambique.registry.pages import ListOrder, page_of
from alambique.registry.records import Page, Trial
from alambique.registry.transitions import HELD
from alambique.spec.states import Reason, TrialState

_LAST = 2**31 - 1
"""No number is above it."""


def begin(
    session: Session, job_id: UUID, token: int, number: int, values: Mapping[str, Any]
) -> Trial:
    """Begin a trial; one that an earlier attempt at the job has begun begins anew.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    lock_job(session, job_id, token=token)
    at = now(session)
    row = session.get(tables.Trial, (job_id, number))
    if row is None:
        row = tables.Trial(job_id=job_id, number=number, epochs=0, metrics={}, curve=[])
    row.values, row.state, row.started_at = dict(values), TrialState.RUNNING, at
    row.reason = row.error = row.finished_at = None
    session.add(row)
    session.flush()
    return _trial(row)


def record_progress(
    session: Session,
    job_id: UUID,
    token: int,
    number: int,
    *,
    epochs: int,
    metrics: Mapping[str, float],
    curve: Sequence[Mapping[str, float]],
) -> None:
    """Write how far a running trial is: each time all that is known.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    lock_job(session, job_id, token=token)
    row = session.get_one(tables.Trial, (job_id, number))
    row.epochs, row.metrics = epochs, _finite_numbers(metrics)
    row.curve = [_finite_numbers(point) for point in curve]


def end(
    session: Session,
    job_id: UUID,
    token: int,
    number: int,
    state: TrialState,
    *,
    epochs: int,
    metrics: Mapping[str, float],
    reason: Reason | None = None,
    error: str | None = None,
) -> Trial:
    """End a trial, and return it.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    lock_job(session, job_id, token=token)
    at = now(session)
    row = session.get_one(tables.Trial, (job_id, number))
    row.state, row.epochs, row.metrics = state, epochs, _finite_numbers(metrics)
    row.reason, row.error, row.finished_at = reason, bounded_message(error), at
    session.flush()
    return _trial(row)


def of_job(session: Session, job_id: UUID) -> tuple[Trial, ...]:
    """Return all trials of a job, by their number; none where it has no search."""
    query = select(tables.Trial).where(tables.Trial.job_id == job_id).order_by(tables.Trial.number)
    return tuple(_trial(row) for row in session.scalars(query))


def counts(session: Session, job_id: UUID) -> dict[TrialState, int]:
    """Return how many trials of a job are in which state; those in which none is are left out."""
    state = tables.Trial.state
    query = select(state, func.count()).where(tables.Trial.job_id == job_id).group_by(state)
    return {trial_state: count for trial_state, count in session.execute(query)}


def page(
    session: Session,
    job_id: UUID,
    *,
    state: TrialState | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Trial]:
    """Return trials of a job, by their number: those in that state, or all.

    While nobody holds the job, what was begun is not running, but interrupted.

    Raises:
        BadSpec: the cursor is not one that a page gave.
    """
    trial = tables.Trial
    query = select(trial).where(trial.job_id == job_id)
    held = session.scalar(select(tables.Job.state).where(tables.Job.id == job_id)) in HELD
    if state is not None:
        query = query.where(trial.state.in_(_stored_states(state, held=held)))

    def records(rows: Sequence[tables.Trial]) -> list[Trial]:
        whole = [_trial(row) for row in rows]
        if held:
            return whole
        return [
            replace(trial, state=TrialState.INTERRUPTED)
            if trial.state is TrialState.RUNNING
            else trial
            for trial in whole
        ]

    order = ListOrder(trial.number, _encode_number, _decode_number)
    return page_of(session, query, order, cursor, limit, records)


def _stored_states(state: TrialState, *, held: bool) -> tuple[TrialState, ...]:
    """Return the states that the rows of a state have: no row is ever stored as interrupted."""
    if state not in (TrialState.RUNNING, TrialState.INTERRUPTED):
        return (state,)
    return (TrialState.RUNNING,) if held is (state is TrialState.RUNNING) else ()


def _trial(row: tables.Trial) -> Trial:
    content = {field.name: getattr(row, field.name) for field in fields(Trial)}
    return Trial(**content | {"curve": tuple(row.curve)})


def _finite_numbers(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return the numbers that are finite: JSON has no word for others."""
    return {name: value for name, value in numbers.items() if finite(value) is not None}


def _encode_number(number: int) -> bytes:
    return f"trial:{number}".encode()


def _decode_number(content: bytes) -> int:
    kind, _, text = content.decode().partition(":")
    number = int(text)
    if kind != "trial" or not 0 < number <= _LAST:
        raise ValueError(f"{content!r} is no trial's")
    return number
