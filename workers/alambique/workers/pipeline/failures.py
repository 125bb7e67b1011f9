"""From an error to the reason that a job's state gives, and to the message for its owner."""

from alambique.registry.db_errors import is_away
from alambique.spec.disk import disk_full_text, is_disk_full
from alambique.spec.errors import (
    AlambiqueError,
    BadData,
    BadModel,
    BadSpec,
    BadTeacher,
    Conflict,
    Diverged,
    LostWorker,
    NoData,
    NotEnoughDisk,
    OtherCode,
    UnknownName,
    Unreachable,
)
from alambique.spec.states import Reason

_REASONS: tuple[tuple[type[BaseException], Reason], ...] = (
    (BadData, Reason.BAD_DATA),
    (BadTeacher, Reason.BAD_TEACHER),
    (BadModel, Reason.BAD_MODEL),
    (NoData, Reason.NO_DATA),
    (BadSpec, Reason.BAD_SPEC),
    (UnknownName, Reason.BAD_SPEC),
    (Conflict, Reason.BAD_SPEC),
    (Diverged, Reason.DIVERGED),
    (NotEnoughDisk, Reason.NO_DISK),
    (Unreachable, Reason.UNREACHABLE),
    (LostWorker, Reason.LOST_WORKER),
    (OtherCode, Reason.OTHER_CODE),
    (MemoryError, Reason.OUT_OF_MEMORY),
)


class FailedElsewhere(AlambiqueError):
    """A failure that another process or attempt has seen, for a reason without a kind of its own.

    Made by `error_of`. The reason is an attribute: pickle keeps it, and drops the cause that it was
    known by.
    """

    reason = Reason.INTERNAL


def reason_of(error: BaseException) -> Reason:
    """Return why a job failed: by the innermost cause of the error that says so."""
    reasons = (_own_reason(cause) for cause in exception_chain(error))
    return next((reason for reason in reasons if reason is not None), Reason.INTERNAL)


def _own_reason(error: BaseException) -> Reason | None:
    """Return the reason that the error has whatever caused it; None where it says none."""
    if isinstance(error, FailedElsewhere):
        return error.reason
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which need not be imported here
        return Reason.OUT_OF_MEMORY
    if is_disk_full(error):
        return Reason.NO_DISK
    return Reason.NO_DATABASE if is_away(error) else None


def error_of(reason: Reason, message: str) -> AlambiqueError:
    """Return an error that has this reason, also after it went through pickle."""
    for kind, known in _REASONS:
        if known is reason and issubclass(kind, AlambiqueError):
            return kind(message)
    error = FailedElsewhere(message)
    error.reason = reason
    return error


def known_error(error: BaseException) -> AlambiqueError | None:
    """Return an error of ours that has the reason and the message of `error` without its causes.

    None where nothing is known of it: it is not ours, and its reason would be `internal`.
    """
    reason, ours = reason_of(error), our_error(error)
    if reason is Reason.INTERNAL or (ours is not None and _own_reason(ours) is reason):
        return ours
    return error_of(reason, user_message(error))


def user_message(error: BaseException) -> str:
    """Return what to tell: our own words where the error is ours, else its kind and text."""
    if (ours := our_error(error)) is not None:
        return str(ours)
    if full := next(filter(is_disk_full, exception_chain(error)), None):
        return f"{disk_full_text(full)} ({type(full).__name__}: {full})"
    return f"{type(error).__name__}: {error}"


def our_error(error: BaseException) -> AlambiqueError | None:
    """Return the innermost error of this program's in a chain; None where there is none."""
    chain = exception_chain(error)
    return next((cause for cause in chain if isinstance(cause, AlambiqueError)), None)


def exception_chain(error: BaseException) -> list[BaseException]:
    """Return the error and what caused it, innermost first."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__
    return chain[::-1]
