"""From an error to the reason that a job's state gives, and to what its owner is told."""

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


def reason_of(error: BaseException) -> Reason:
    """Why a job failed; errors that Ray wraps are looked at from inside."""
    for one in exception_chain(error):
        for kind, reason in _REASONS:
            if isinstance(one, kind):
                return reason
        if type(one).__name__ == "OutOfMemoryError":  # torch's, which need not be imported here
            return Reason.OUT_OF_MEMORY
        if is_disk_full(one):
            return Reason.NO_DISK
        if is_away(one):
            return Reason.NO_DATABASE
    return Reason.INTERNAL


def error_of(reason: Reason, message: str) -> AlambiqueError:
    """An error that has this reason."""
    for kind, known in _REASONS:
        if known is reason and issubclass(kind, AlambiqueError):
            return kind(message)
    return AlambiqueError(message)


def user_message(error: BaseException) -> str:
    """What to tell: our own words where the error is ours, else its kind and text."""
    if (ours := our_error(error)) is not None:
        return str(ours)
    if full := next((one for one in exception_chain(error) if is_disk_full(one)), None):
        return f"{disk_full_text(full)} ({type(full).__name__}: {full})"
    return f"{type(error).__name__}: {error}"


def our_error(error: BaseException) -> AlambiqueError | None:
    """Return the innermost error of this program's in a chain.

    What Ray raises for one is of its kind too, but its text is a traceback: it has a `cause`.
    """
    ours = (one for one in exception_chain(error) if isinstance(one, AlambiqueError))
    return next((one for one in ours if not hasattr(one, "cause")), None)


def exception_chain(error: BaseException) -> list[BaseException]:
    """The error and what caused it, innermost first."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or one in found:
            continue
        found.append(one)
        failures = getattr(one, "worker_failures", None) or {}
        inner = [getattr(one, name, None) for name in ("cause", "controller_failure")]
        left += [*failures.values(), *inner, one.__cause__]
    return found[::-1]
