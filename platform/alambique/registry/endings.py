"""How an attempt at a job ends that does not simply succeed, and what is said of it."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.clock import now
from alambique.registry.moves import move
from alambique.registry.records import JobRow
from alambique.registry.transitions import Retries, after_failure
from alambique.spec.states import Reason, State

TOO_LATE = "it was to be cancelled, but the request came too late: it had come to its end"


def end_failed_attempt(
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
        reason, message = job.reason, cancel_message(job)
    return move(
        session,
        job.id,
        verdict.state,
        reason=reason,
        message=message,
        not_before=verdict.not_before,
        attempts=job.attempts if verdict.counted else job.attempts - 1,
    )


def cancel_message(job: tables.Job) -> str:
    """Return why a job that was to be cancelled has ended."""
    if job.reason is Reason.DEADLINE:
        return deadline_message(job)
    return "killed on request" if job.asked == "kill" else "cancelled on request"


def deadline_message(job: tables.Job) -> str:
    """Return what to say of a job whose deadline has passed."""
    return f"its deadline was {job.deadline_at:%Y-%m-%d %H:%M:%S} UTC"
