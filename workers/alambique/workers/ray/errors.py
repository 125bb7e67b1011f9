"""How an error travels from a process of Ray to the driver of its job.

Ray pickles an exception, which keeps its class, its arguments and its attributes, and drops
`__cause__` and the traceback. The reason of an error often stands in its causes alone, so it is
looked up in the process that raised the error: `errors_for_driver` wraps everything that such a
process does. Ray then wraps the exception, in another way for each kind of work; `driver_error`
unwraps it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from alambique.spec.errors import AlambiqueError, LostWorker
from alambique.workers.pipeline.failures import known_error

_CAUSE_ATTRIBUTES = ("cause", "controller_failure")
"""Attributes in which errors of Ray keep the one exception that they wrap."""


@contextmanager
def errors_for_driver() -> Iterator[None]:
    """In a process of Ray, raise errors with a known reason as an `AlambiqueError`.

    Raises:
        AlambiqueError: any error with a known reason, which its text and attributes carry.
    """
    try:
        yield
    except Exception as error:
        if (known := known_error(error)) is None or known is error:
            raise
        raise known from error


def driver_error(error: BaseException) -> AlambiqueError:
    """Return the `AlambiqueError` that work on Ray failed with, or a `LostWorker` if there is none.

    Args:
        error: what Ray raised in the driver.
    """
    # the worker that failed first has a reason; the others merely lost their peer
    for raised in raised_errors(error):
        if (known := known_error(raised)) is not None:
            return known
    # the first line says what failed; the many others are in the job's log
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return LostWorker(f"the work on Ray ended: {text}")


def raise_driver_error(error: BaseException) -> NoReturn:
    """Raise what `driver_error` returns.

    Raises:
        AlambiqueError: always.
    """
    known = driver_error(error)
    # Ray's own error is all that is known of a lost worker: the job's log shows it as the cause
    raise known from error if isinstance(known, LostWorker) else None


def raised_errors(error: BaseException) -> list[BaseException]:
    """Return the exceptions that processes raised, unwrapped from those of Ray.

    Ray raises a `RayTaskError` for an actor, and for a training a `WorkerGroupError`, with one
    exception for each worker, or a `ControllerError`; one may wrap another.
    """
    failures: dict[int, BaseException] = getattr(error, "worker_failures", None) or {}
    causes = [getattr(error, name, None) for name in _CAUSE_ATTRIBUTES]
    inner = [*failures.values(), *(cause for cause in causes if isinstance(cause, BaseException))]
    return [raised for cause in inner for raised in raised_errors(cause)] or [error]
