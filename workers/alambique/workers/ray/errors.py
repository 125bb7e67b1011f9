"""How an error travels from a process of Ray to the driver of its job.

Ray carries an exception by pickle, which keeps its class, its arguments and its attributes, and
drops `__cause__` and the traceback. The reason of an error is often known by its causes alone, so
it is found in the process that raised the error: `errors_for_driver` goes around everything that
such a process does. Ray then wraps the exception, in another way for each kind of work;
`driver_error` takes the wrapping off again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from alambique.spec.errors import AlambiqueError, LostWorker
from alambique.workers.pipeline.failures import known_error

_WRAPPED = ("cause", "controller_failure")
"""Attributes in which errors of Ray keep the one exception that they wrap."""


@contextmanager
def errors_for_driver() -> Iterator[None]:
    """In a process of Ray, raise errors of which the reason is known as errors of ours.

    Raises:
        AlambiqueError: any error with a known reason; its text and its attributes say everything.
    """
    try:
        yield
    except Exception as error:
        if (known := known_error(error)) is None or known is error:
            raise
        raise known from error


def driver_error(error: BaseException) -> AlambiqueError:
    """Return the error of ours with which work on Ray failed; else say that a worker was lost.

    Args:
        error: what Ray raised in the driver.
    """
    # of several workers, those that lost a peer know no reason: the one that failed first does
    for raised in raised_errors(error):
        if (known := known_error(raised)) is not None:
            return known
    # the first line says it; the others, which are many, are in the job's log
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return LostWorker(f"the work on Ray ended: {text}")


def raise_driver_error(error: BaseException) -> NoReturn:
    """Raise what `driver_error` returns.

    Raises:
        AlambiqueError: always.
    """
    known = driver_error(error)
    # of a lost worker nothing is known but what Ray says, which the job's log then shows
    raise known from error if isinstance(known, LostWorker) else None


def raised_errors(error: BaseException) -> list[BaseException]:
    """Return the exceptions that processes raised, without the wrapping of Ray.

    An actor's error is a `RayTaskError`, a training's a `WorkerGroupError` with one for each worker
    or a `ControllerError`; these stand in each other.
    """
    failures: dict[int, BaseException] = getattr(error, "worker_failures", None) or {}
    causes = [getattr(error, name, None) for name in _WRAPPED]
    inner = [*failures.values(), *(cause for cause in causes if isinstance(cause, BaseException))]
    return [raised for cause in inner for raised in raised_errors(cause)] or [error]
