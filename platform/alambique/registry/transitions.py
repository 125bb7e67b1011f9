"""Which state may follow which, and what becomes of a job whose attempt failed: pure functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from alambique.spec.states import Reason, State

WAITING = frozenset({State.QUEUED, State.RETRYING})
"""A dispatcher may take the job."""
HELD = frozenset({State.RUNNING, State.CANCELLING})
"""Somebody holds the job, under a token and a lease."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a job is attempted in all, and the pause before the second attempt."""

    attempts: int = 3
    outages: int = 20
    """How many attempts that ended for want of the database are not counted among those."""
    pause: timedelta = timedelta(seconds=10)
    """Doubled with each further attempt. A lost worker is replaced without one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state after a failure; for a retry, the time from which the job may be taken."""

    state: State
    not_before: datetime | None = None
    counted: bool = True
    """Whether the attempt counts among those that a job has."""


def next_states(state: State) -> frozenset[State]:
    """Return the states that may follow `state`."""
    match state:
        case State.QUEUED | State.RETRYING:
            return frozenset({State.RUNNING, State.PAUSED, State.CANCELLED})
        case State.RUNNING:
            return frozenset(State) - {State.RUNNING}
        case State.CANCELLING:
            # a job that ended before it saw the wish has ended: its version is registered
            return frozenset({State.SUCCEEDED, State.CANCELLED})
        case State.PAUSED:
            return frozenset({State.QUEUED, State.CANCELLED})
        case State.FAILED | State.CANCELLED:
            return frozenset({State.QUEUED})
        case State.SUCCEEDED:
            return frozenset()


def after_failure(
    state: State,
    reason: Reason,
    *,
    attempts: int,
    outages: int = 0,
    now: datetime,
    retries: Retries,
) -> Verdict:
    """Return what becomes of a job in `state` whose latest attempt failed for `reason`.

    `outages` attempts before it ended for want of the database.
    """
    if state is State.CANCELLING or reason in (Reason.USER, Reason.DEADLINE):
        return Verdict(State.CANCELLED)
    if reason is Reason.NO_DATABASE and outages < retries.outages:
        return Verdict(State.RETRYING, now, counted=False)
    if not is_retryable(reason) or attempts >= retries.attempts:
        return Verdict(State.FAILED)
    if reason is Reason.LOST_WORKER:
        return Verdict(State.RETRYING, now)
    doubled: int = 2 ** max(attempts - 1, 0)
    return Verdict(State.RETRYING, now + retries.pause * doubled)


def is_retryable(reason: Reason) -> bool:
    """Return whether another attempt may succeed: what is wrong with the job itself stays wrong."""
    match reason:
        case Reason.LOST_WORKER | Reason.OUT_OF_MEMORY | Reason.NO_DISK | Reason.SHUTDOWN:
            return True
        case Reason.INTERNAL | Reason.NO_DATABASE | Reason.OTHER_CODE:
            return True
        case Reason.BAD_SPEC | Reason.BAD_DATA | Reason.BAD_TEACHER | Reason.BAD_MODEL:
            return False
        case Reason.NO_DATA | Reason.UNREACHABLE:
            return False  # nothing is spent yet, and whoever posted it can see to it at once
        case Reason.DIVERGED | Reason.QUOTA | Reason.USER | Reason.DEADLINE:
            return False
