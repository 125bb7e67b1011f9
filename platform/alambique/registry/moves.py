"""The one function that changes a job's state, and what it is made of: locks, fences, events."""

from dataclasses import fields
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.bounds import bounded_content, bounded_message
from alambique.registry.dialects import now
from alambique.registry.records import Asked, Event, JobRow
from alambique.registry.transitions import HELD, next_states
from alambique.spec.errors import Conflict, LostLease, UnknownName
from alambique.spec.states import Reason, State


class Changes(TypedDict, total=False):
    """What may change together with a job's state."""

    holder: str
    lease_until: datetime
    asked: Asked
    not_before: datetime | None
    attempts: int
    progress: float
    result: dict[str, Any]


def move(
    session: Session,
    job_id: UUID,
    to: State,
    *,
    reason: Reason | None = None,
    message: str | None = None,
    token: int | None = None,
    **changed: Unpack[Changes],
) -> JobRow:
    """Put a job into its next state, and write the event of it in the same transaction.

    Into running it begins an attempt under a new token; out of a held state it ends the attempt,
    and with it the token.

    Raises:
        UnknownName: there is no such job.
        LostLease: `token` is given and not the job's any more.
        Conflict: its state does not allow this.
    """
    job = lock_job(session, job_id, token=token)
    before, at = job.state, now(session)
    if to not in next_states(before):
        raise Conflict(
            f"job {job_id} is {before} and cannot become {to}: {_next_states_text(before)}"
        )
    job.state, job.reason, job.message = to, reason, bounded_message(message)
    job.not_before = None
    job.finished_at = at if to.over else None
    if before in HELD and to not in HELD:
        _end(session, job, at)
    for column, value in changed.items():
        setattr(job, column, value)
    if to is State.RUNNING:
        _begin(session, job, at)
    touch(job, at)
    content = {
        "from": before,
        "state": job.state,
        "reason": job.reason,
        "message": job.message,
        "attempt": job.token,
    }
    emit(session, job_id, "state", content, at)
    return job_row(job)


def lock_job(session: Session, job_id: UUID, *, token: int | None = None) -> tables.Job:
    """Return the job's row, which no other transaction changes until this one ends.

    Raises:
        UnknownName: there is no such job.
        LostLease: `token` is given, and the job is not held under it.
    """
    # key_share: FOR NO KEY UPDATE, for which rows that refer to the job need not wait
    query = select(tables.Job).where(tables.Job.id == job_id).with_for_update(key_share=True)
    job = session.scalar(query.execution_options(populate_existing=True))
    if job is None:
        raise unknown_job(job_id)
    if token is not None and (job.token != token or job.state not in HELD):
        raise LostLease(
            f"attempt {token} does not hold job {job_id} any more (it is {job.state}, "
            f"attempt {job.token}): stop without writing"
        )
    return job


def unknown_job(job_id: UUID) -> UnknownName:
    """Return what to raise where there is no job of that id."""
    return UnknownName(f"there is no job {job_id}: `alambique jobs list` shows those there are")


def touch(job: tables.Job, at: datetime) -> None:
    """Mark a change that readers see."""
    job.updated_at = at
    job.tag += 1


def emit(session: Session, job_id: UUID, kind: str, content: dict[str, Any], at: datetime) -> Event:
    """Write an event. The job's row is locked: ids of its events are in the order of commits."""
    content = bounded_content(content)
    event = tables.Event(job_id=job_id, at=at, kind=kind, content=content)
    session.add(event)
    session.flush()
    return Event(event.id, job_id, at, kind, content)


def job_row(job: tables.Job) -> JobRow:
    """Return the job as a record."""
    return JobRow(**{field.name: getattr(job, field.name) for field in fields(JobRow)})


def _begin(session: Session, job: tables.Job, at: datetime) -> None:
    job.token += 1
    job.attempts += 1
    job.started_at = job.started_at or at
    job.stage = job.progress = job.eta_seconds = job.loss = job.metric = None
    session.add(tables.Attempt(job_id=job.id, token=job.token, holder=job.holder, started_at=at))


def _end(session: Session, job: tables.Job, at: datetime) -> None:
    attempt = session.get_one(tables.Attempt, (job.id, job.token))
    attempt.finished_at, attempt.outcome = at, job.state
    attempt.reason, attempt.message = job.reason, job.message
    job.holder = job.lease_until = job.asked = job.eta_seconds = None
    if not job.state.over:  # the next attempt says for itself how far it is
        job.stage = job.progress = job.loss = job.metric = None


def _next_states_text(state: State) -> str:
    if not next_states(state):
        return "it is over"
    return f"from there it may become {', '.join(sorted(next_states(state)))}"
