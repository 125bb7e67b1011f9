"""Jobs: posted, taken under a lease and a token, carried on, ended."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from alambique.registry import tables
from alambique.registry.bounds import bounded_fields, bounded_message
from alambique.registry.clock import now
from alambique.registry.endings import (
    TOO_LATE,
    cancel_message,
    deadline_message,
    end_failed_attempt,
)
from alambique.registry.moves import emit, job_row, locked, move, touch
from alambique.registry.reading import (
    IN_TURN,
    candidates,
    events,
    find,
    logs,
    newest_events,
    notes,
    page,
    ready,
    waiting,
    waiting_of,
)
from alambique.registry.records import Asked, Event, JobRow
from alambique.registry.statements import finite, insert_if_new
from alambique.registry.submissions import claim, claimed
from alambique.registry.transitions import HELD, WAITING, Retries
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
    "progress",
    "reap",
    "release",
    "renew",
    "submit",
    "submit_all",
    "take",
    "waiting",
    "waiting_of",
]

_RETRIES = Retries()
_MAY_BE_LATE = (*WAITING, State.PAUSED, State.RUNNING)


def find_submitted(session: Session, posted: Job, key: str) -> JobRow | None:
    """Return the job that a key has made, or None where the key is a new one.

    Raises:
        Conflict: the key has made a job of another spec.
    """
    known = claimed(session, posted.project, key, posted.model_dump(mode="json"))
    return None if known is None else find(session, known)


def submit(
    session: Session, job: Job, *, key: str | None = None, posted: Job | None = None
) -> JobRow:
    """Puts a job into the queue; with a key known in the project: the job that it made then.

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
    values = _queued(job, at)
    insert_if_new(session, tables.Project, name=job.project, created_at=at)
    if key is not None:
        spec = values["spec"] if posted is None else posted.model_dump(mode="json")
        owner = claim(session, job.project, key, spec, values["id"], at)
        if owner != values["id"]:
            return job_row(locked(session, owner))
    _add(session, [values])
    return job_row(tables.Job(**values))


def submit_all(session: Session, suite_id: UUID, planned: Iterable[tuple[Cell, Job]]) -> None:
    """Puts all jobs of a suite into the queue, in their order; its project is there.

    In few statements, however many jobs: the transaction keeps heartbeats waiting.
    """
    at = now(session)
    _add(session, [_queued(job, at, suite_id, cell) for cell, job in planned])


def _queued(
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
    """Stores new jobs, each with its first event.

    Not as objects: those take as long again, and the ids of events would be asked for one by one.
    """
    session.execute(insert(tables.Job), rows)
    content = {"from": None, "state": State.QUEUED}
    events = [{"job_id": row["id"], "at": row["created_at"]} for row in rows]
    session.execute(insert(tables.Event).values(kind="state", content=content), events)


def take(
    session: Session, holder: str, lease: timedelta, *, job_id: UUID | None = None
) -> JobRow | None:
    """The next job (or that one), now held under a new token; None where it may not be taken."""
    at = now(session)
    query = select(tables.Job.id).where(ready(at)).order_by(*IN_TURN).limit(1)
    if job_id is not None:
        query = query.where(tables.Job.id == job_id)
    found = session.scalar(query.with_for_update(key_share=True, skip_locked=True))
    if found is None:
        return None
    return move(session, found, State.RUNNING, holder=holder, lease_until=at + lease)


def renew(session: Session, job_id: UUID, token: int, lease: timedelta) -> Asked | None:
    """Holds the job for another `lease` from now; what its holder is asked to do meanwhile.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    held = (tables.Job.id == job_id, tables.Job.token == token, tables.Job.state.in_(HELD))
    statement = update(tables.Job).where(*held).values(lease_until=now(session) + lease)
    row = session.execute(statement.returning(tables.Job.asked)).one_or_none()
    if row is None:
        raise LostLease(f"attempt {token} does not hold job {job_id} any more: stop")
    return row[0]


def progress(
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
    """How far a stage is: the whole picture each time, what is not given is not known.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    job, at = locked(session, job_id, token=token), now(session)
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
    """Another event of the job; of kind "log": `{"lines": [...]}`.

    Raises:
        LostLease: `token` is given, and the job is not held under it any more.
    """
    locked(session, job_id, token=token)
    return emit(session, job_id, kind, content, now(session))


def finish(session: Session, job_id: UUID, token: int, result: dict[str, Any]) -> JobRow:
    """Succeeded, also where the holder was asked to stop: it had ended before it saw that.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    job = locked(session, job_id, token=token)
    asked = job.state is State.CANCELLING and job.reason is Reason.USER
    message = TOO_LATE if asked else None
    kept = bounded_fields(result)  # its notes may repeat what a data file says
    return move(session, job_id, State.SUCCEEDED, message=message, result=kept, progress=1.0)


def fail(
    session: Session,
    job_id: UUID,
    token: int,
    reason: Reason,
    message: str,
    *,
    retries: Retries = _RETRIES,
) -> JobRow:
    """Tried again later, or failed; cancelled where somebody had asked for the end.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    return end_failed_attempt(
        session, locked(session, job_id, token=token), reason, message, retries
    )


def release(session: Session, job_id: UUID, token: int) -> JobRow:
    """Back in the queue by a clean shutdown, the attempt not counted; cancelled where asked for.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    job = locked(session, job_id, token=token)
    if job.state is State.CANCELLING:
        return move(
            session, job_id, State.CANCELLED, reason=job.reason, message=cancel_message(job)
        )
    given_back, reason = job.attempts - 1, Reason.SHUTDOWN
    return move(session, job_id, State.QUEUED, reason=reason, attempts=given_back)


def cancel(session: Session, job_id: UUID, *, kill: bool = False) -> JobRow:
    """Cancelled where nobody holds it, else its holder is asked to stop, or is killed.

    Raises:
        UnknownName: there is no such job.
        Conflict: it has succeeded or failed.
    """
    job = locked(session, job_id)
    if job.state is State.RUNNING:
        asked: Asked = "kill" if kill else "cancel"
        return move(session, job_id, State.CANCELLING, reason=Reason.USER, asked=asked)
    if job.state is State.CANCELLING:
        return _urged(session, job) if kill and job.asked != "kill" else job_row(job)
    if job.state is State.CANCELLED:
        return job_row(job)
    if job.state.over:
        raise Conflict(
            f"job {job_id} cannot be cancelled any more: it is over, and has {job.state}"
        )
    return move(session, job_id, State.CANCELLED, reason=Reason.USER)


def reap(session: Session, *, retries: Retries = _RETRIES) -> tuple[JobRow, ...]:
    """The jobs that changed because their lease ran out or their deadline passed."""
    at, changed = now(session), dict[UUID, JobRow]()
    for job in _due(session, tables.Job.state.in_(HELD), tables.Job.lease_until <= at):
        message = f"{job.holder} has given no sign of life since before {job.lease_until:%H:%M:%S}"
        changed[job.id] = end_failed_attempt(
            session, job, Reason.LOST_WORKER, f"{message} UTC", retries
        )
    for job in _due(session, tables.Job.state.in_(_MAY_BE_LATE), tables.Job.deadline_at <= at):
        changed[job.id] = _late(session, job)
    return tuple(changed.values())


def _late(session: Session, job: tables.Job) -> JobRow:
    message, reason = deadline_message(job), Reason.DEADLINE
    if job.state is not State.RUNNING:
        return move(session, job.id, State.CANCELLED, reason=reason, message=message)
    to = State.CANCELLING
    return move(session, job.id, to, reason=reason, message=message, asked="cancel")


def _urged(session: Session, job: tables.Job) -> JobRow:
    """To be killed, after it had been asked to stop."""
    at = now(session)
    job.asked = "kill"
    touch(job, at)
    emit(session, job.id, "asked", {"asked": "kill"}, at)
    return job_row(job)


def _due(session: Session, *conditions: ColumnElement[bool]) -> list[tables.Job]:
    query = select(tables.Job).where(*conditions).order_by(tables.Job.id)
    query = query.with_for_update(key_share=True, skip_locked=True)
    return list(session.scalars(query.execution_options(populate_existing=True)))
