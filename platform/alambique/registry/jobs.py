"""Jobs: posted, taken under a lease and a token, carried on, ended."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from alambique.registry import tables
from alambique.registry.bounds import bounded_fields, bounded_message
from alambique.registry.dialects import finite, insert_if_new, now
from alambique.registry.job_queries import (
    IN_TURN,
    candidates,
    events,
    find,
    is_ready,
    logs,
    newest_events,
    notes,
    page,
    waiting,
    waiting_of,
)
from alambique.registry.moves import emit, job_row, lock_job, move, touch
from alambique.registry.records import Asked, Event, JobRow
from alambique.registry.submissions import claim, find_claimed
from alambique.registry.transitions import HELD, WAITING, Retries, after_failure
from alambique.spec.errors import Conflict, LostLease
from alambique.spec.job import Job
from alambique.spec.states import Reason, StageName, State
from alambique.spec.suite import Cell

__all__ = [
    "cancel",
    "candidates",
    "events",
    "fail",
    "find",
    "find_submitted",
    "finish",
    "logs",
    "move",
    "newest_events",
    "note",
    "notes",
    "page",
    "reap",
    "record_progress",
    "release",
    "renew",
    "submit",
    "submit_all",
    "take",
    "waiting",
    "waiting_of",
]

_RETRIES = Retries()
_TOO_LATE = "it was to be cancelled, but the request came too late: it had come to its end"
_MAY_BE_OVERDUE = (*WAITING, State.PAUSED, State.RUNNING)


def find_submitted(session: Session, posted: Job, key: str) -> JobRow | None:
    """Return the job that a key has made, or None where the key is a new one.

    Raises:
        Conflict: the key has made a job of another spec.
    """
    job_id = find_claimed(session, posted.project, key, posted.model_dump(mode="json"))
    return None if job_id is None else find(session, job_id)


def submit(
    session: Session, job: Job, *, key: str | None = None, posted: Job | None = None
) -> JobRow:
    """Put a job into the queue; of a key known in the project, return the job that it made then.

    Args:
        session: a transaction.
        job: what to do.
        key: the client's own, of this submission.
        posted: what the client sent, where that is not the job word for word: it is what the key is
            kept with. A branch of the hub, sent again, may be another commit by then.

    Raises:
        Conflict: the key has made a job of another spec.
    """
    at = now(session)
    values = _new_row(job, at)
    insert_if_new(session, tables.Project, name=job.project, created_at=at)
    if key is not None:
        spec = values["spec"] if posted is None else posted.model_dump(mode="json")
        owner = claim(session, job.project, key, spec, values["id"], at)
        if owner != values["id"]:
            return job_row(lock_job(session, owner))
    _add(session, [values])
    return job_row(tables.Job(**values))


def submit_all(session: Session, suite_id: UUID, planned: Iterable[tuple[Cell, Job]]) -> None:
    """Put all jobs of a suite into the queue, in their order; its project is there.

    It takes few statements, however many jobs: the transaction keeps heartbeats waiting.
    """
    at = now(session)
    _add(session, [_new_row(job, at, suite_id, cell) for cell, job in planned])


def _new_row(
    job: Job, at: datetime, suite_id: UUID | None = None, cell: Cell | None = None
) -> dict[str, Any]:
    return dict(
        id=uuid7(),
        project=job.project,
        suite_id=suite_id,
        cell=cell.model_dump(mode="json") if cell else None,
        name=job.name,
        task=job.task,
        spec=job.model_dump(mode="json"),
        state=State.QUEUED,
        priority=job.priority,
        attempts=0,
        created_at=at,
        updated_at=at,
        deadline_at=at + job.deadline if job.deadline else None,
        tag=1,
        token=0,
    )


def _add(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store new jobs, each with its first event.

    They are no objects: those take as long again, and would ask for the ids of events one by one.
    """
    session.execute(insert(tables.Job), rows)
    content = {"from": None, "state": State.QUEUED}
    events = [{"job_id": row["id"], "at": row["created_at"]} for row in rows]
    session.execute(insert(tables.Event).values(kind="state", content=content), events)


def take(
    session: Session, holder: str, lease: timedelta, *, job_id: UUID | None = None
) -> JobRow | None:
    """Take the next job (or that one) under a new token; None where there is none to be taken."""
    at = now(session)
    query = select(tables.Job.id).where(is_ready(at)).order_by(*IN_TURN).limit(1)
    if job_id is not None:
        query = query.where(tables.Job.id == job_id)
    next_id = session.scalar(query.with_for_update(key_share=True, skip_locked=True))
    if next_id is None:
        return None
    return move(session, next_id, State.RUNNING, holder=holder, lease_until=at + lease)


def renew(session: Session, job_id: UUID, token: int, lease: timedelta) -> Asked | None:
    """Hold the job for another `lease` from now, and return what its holder is asked to do.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    held = (tables.Job.id == job_id, tables.Job.token == token, tables.Job.state.in_(HELD))
    statement = update(tables.Job).where(*held).values(lease_until=now(session) + lease)
    row = session.execute(statement.returning(tables.Job.asked)).one_or_none()
    if row is None:
        raise LostLease(f"attempt {token} does not hold job {job_id} any more: stop")
    return row[0]


def record_progress(
    session: Session,
    job_id: UUID,
    token: int,
    *,
    stage: StageName,
    fraction: float | None = None,
    eta_seconds: float | None = None,
    loss: float | None = None,
    metric: float | None = None,
    message: str | None = None,
) -> None:
    """Record the progress of a stage; fields that are not given are reset to null.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    job, at = lock_job(session, job_id, token=token), now(session)
    job.stage, job.progress, job.eta_seconds = stage, finite(fraction), finite(eta_seconds)
    job.loss, job.metric, job.message = finite(loss), finite(metric), bounded_message(message)
    touch(job, at)
    content = {
        "stage": stage,
        "fraction": job.progress,
        "eta_seconds": job.eta_seconds,
        "loss": job.loss,
        "metric": job.metric,
        "message": job.message,
    }
    emit(session, job_id, "progress", content, at)


def note(
    session: Session, job_id: UUID, token: int | None, kind: str, content: dict[str, Any]
) -> Event:
    """Write another event of the job; one of kind "log" has the content `{"lines": [...]}`.

    Raises:
        LostLease: `token` is given, and the job is not held under it any more.
    """
    lock_job(session, job_id, token=token)
    return emit(session, job_id, kind, content, now(session))


def finish(session: Session, job_id: UUID, token: int, result: dict[str, Any]) -> JobRow:
    """End a job as succeeded, also where its holder was asked to stop and had ended before that.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    job = lock_job(session, job_id, token=token)
    asked = job.state is State.CANCELLING and job.reason is Reason.USER
    message = _TOO_LATE if asked else None
    bounded = bounded_fields(result)  # its notes may repeat what a data file says
    return move(session, job_id, State.SUCCEEDED, message=message, result=bounded, progress=1.0)


def fail(
    session: Session,
    job_id: UUID,
    token: int,
    reason: Reason,
    message: str,
    *,
    retries: Retries = _RETRIES,
) -> JobRow:
    """End an attempt that failed: the job is tried again, or over; cancelled where that was asked.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    job = lock_job(session, job_id, token=token)
    return _end_failed_attempt(session, job, reason, message, retries)


def release(session: Session, job_id: UUID, token: int) -> JobRow:
    """Give a job back by a clean shutdown, the attempt not counted; cancel it where that was asked.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    job = lock_job(session, job_id, token=token)
    if job.state is State.CANCELLING:
        return move(
            session, job_id, State.CANCELLED, reason=job.reason, message=_cancel_message(job)
        )
    attempts = job.attempts - 1
    return move(session, job_id, State.QUEUED, reason=Reason.SHUTDOWN, attempts=attempts)


def cancel(session: Session, job_id: UUID, *, kill: bool = False) -> JobRow:
    """Cancel a job that nobody holds; else ask its holder to stop, or to be killed.

    Raises:
        UnknownName: there is no such job.
        Conflict: it has succeeded or failed.
    """
    job = lock_job(session, job_id)
    if job.state is State.RUNNING:
        asked: Asked = "kill" if kill else "cancel"
        return move(session, job_id, State.CANCELLING, reason=Reason.USER, asked=asked)
    if job.state is State.CANCELLING:
        return _ask_to_kill(session, job) if kill and job.asked != "kill" else job_row(job)
    if job.state is State.CANCELLED:
        return job_row(job)
    if job.state.over:
        raise Conflict(
            f"job {job_id} cannot be cancelled: it is over already, {job.state}; nothing of it runs"
        )
    return move(session, job_id, State.CANCELLED, reason=Reason.USER)


def reap(session: Session, *, retries: Retries = _RETRIES) -> tuple[JobRow, ...]:
    """End the attempts whose lease ran out or whose deadline passed, and return their jobs."""
    at, changed = now(session), dict[UUID, JobRow]()
    for job in _lock_matching(session, tables.Job.state.in_(HELD), tables.Job.lease_until <= at):
        message = f"{job.holder} has given no sign of life since before {job.lease_until:%H:%M:%S}"
        changed[job.id] = _end_failed_attempt(
            session, job, Reason.LOST_WORKER, f"{message} UTC", retries
        )
    for job in _lock_matching(
        session, tables.Job.state.in_(_MAY_BE_OVERDUE), tables.Job.deadline_at <= at
    ):
        changed[job.id] = _end_overdue(session, job)
    return tuple(changed.values())


def _end_failed_attempt(
    session: Session, job: tables.Job, reason: Reason, message: str, retries: Retries
) -> JobRow:
    """End the attempt of a job that is locked: it is tried again, or over."""
    at, outages = now(session), 0
    if reason is Reason.NO_DATABASE:
        before = (tables.Attempt.job_id == job.id, tables.Attempt.reason == reason)
        outages = session.scalar(select(func.count()).where(*before)) or 0
    verdict = after_failure(
        job.state, reason, attempts=job.attempts, outages=outages, now=at, retries=retries
    )
    if job.state is State.CANCELLING and job.reason is not None:
        reason, message = job.reason, _cancel_message(job)
    return move(
        session,
        job.id,
        verdict.state,
        reason=reason,
        message=message,
        not_before=verdict.not_before,
        attempts=job.attempts if verdict.counted else job.attempts - 1,
    )


def _cancel_message(job: tables.Job) -> str:
    """Return why a job that was to be cancelled has ended."""
    if job.reason is Reason.DEADLINE:
        return _deadline_message(job)
    return "killed on request" if job.asked == "kill" else "cancelled on request"


def _deadline_message(job: tables.Job) -> str:
    """Return what to say of a job whose deadline has passed."""
    return f"its deadline was {job.deadline_at:%Y-%m-%d %H:%M:%S} UTC"


def _end_overdue(session: Session, job: tables.Job) -> JobRow:
    message, reason = _deadline_message(job), Reason.DEADLINE
    if job.state is not State.RUNNING:
        return move(session, job.id, State.CANCELLED, reason=reason, message=message)
    to = State.CANCELLING
    return move(session, job.id, to, reason=reason, message=message, asked="cancel")


def _ask_to_kill(session: Session, job: tables.Job) -> JobRow:
    """Ask for the holder of a job to be killed, which has been asked to stop before."""
    at = now(session)
    job.asked = "kill"
    touch(job, at)
    emit(session, job.id, "asked", {"asked": "kill"}, at)
    return job_row(job)


def _lock_matching(session: Session, *conditions: ColumnElement[bool]) -> list[tables.Job]:
    query = select(tables.Job).where(*conditions).order_by(tables.Job.id)
    query = query.with_for_update(key_share=True, skip_locked=True)
    return list(session.scalars(query.execution_options(populate_existing=True)))
