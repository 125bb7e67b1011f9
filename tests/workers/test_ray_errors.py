"""How an error of a process of Ray reaches the driver, whatever Ray wraps it in."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from ray.exceptions import ActorDiedError, RayTaskError
from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

from alambique.spec.errors import AlambiqueError, BadTeacher, Diverged, LostWorker
from alambique.spec.states import Reason
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.ray.errors import driver_error, errors_for_driver, raise_driver_error

Wrap = Callable[[Exception], Exception]


def of_an_actor(cause: Exception) -> Exception:
    """As Ray raises what an actor raised: of its own kind and of the error's."""
    wrapped: Any = RayTaskError("fill", "Traceback: …", cause)  # type: ignore[no-untyped-call]
    found: Exception = wrapped.as_instanceof_cause()
    return found


def of_a_worker(cause: Exception) -> Exception:
    """As Ray Train raises what one of its workers raised; another has lost that one."""
    closed = RuntimeError("Connection closed by peer")
    return WorkerGroupError("[Rank 0 Error Snippet]: …", {0: closed, 1: cause})


def of_the_controller(cause: Exception) -> Exception:
    """As Ray Train raises what its controller raised, which hears of its workers as of actors."""
    return ControllerError(of_an_actor(of_a_worker(cause)))


WRAPS: tuple[Wrap, ...] = (of_an_actor, of_a_worker, of_the_controller)


def arrived(wrap: Wrap, error: Exception, cause: Exception | None = None) -> AlambiqueError:
    """What the driver has of an error that a process of Ray raised, after pickle."""
    with pytest.raises(type(error) if cause is None else Exception) as caught, errors_for_driver():
        raise error from cause
    return driver_error(wrap(pickle.loads(pickle.dumps(caught.value))))


@pytest.mark.parametrize("wrap", WRAPS)
def test_an_error_of_ours_stays_what_it_was(wrap: Wrap) -> None:
    error = arrived(wrap, BadTeacher("it has no head"))
    assert (type(error), str(error)) == (BadTeacher, "it has no head")


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize(
    ("error", "cause", "reason", "message"),
    [
        (
            RuntimeError("x"),
            Diverged("the loss became nan"),
            Reason.DIVERGED,
            "the loss became nan",
        ),
        (RuntimeError("x"), MemoryError("2 GiB"), Reason.OUT_OF_MEMORY, "RuntimeError: x"),
        (LostWorker("it ended"), MemoryError("2 GiB"), Reason.OUT_OF_MEMORY, "it ended"),
        (
            torch.OutOfMemoryError("2 GiB"),
            None,
            Reason.OUT_OF_MEMORY,
            "OutOfMemoryError: 2 GiB",
        ),
    ],
)
def test_the_reason_outlives_the_cause(
    wrap: Wrap, error: Exception, cause: Exception | None, reason: Reason, message: str
) -> None:
    """Pickle drops it, and Ray carries errors by pickle."""
    found = arrived(wrap, error, cause or RuntimeError("y"))
    assert (reason_of(found), user_message(found)) == (reason, message)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (WorkerGroupError("it is gone", {}), "Training failed due to worker errors:"),
        (of_a_worker(ZeroDivisionError("y")), "Training failed due to worker errors:"),
        (ActorDiedError(), "The actor died unexpectedly before finishing this task."),
    ],
)
def test_where_nothing_is_known_a_worker_was_lost(error: Exception, line: str) -> None:
    with pytest.raises(LostWorker) as caught:
        raise_driver_error(error)
    assert str(caught.value) == f"the work on Ray ended: {line}"
    assert caught.value.__cause__ is error  # for the job's log


def test_of_an_error_of_ours_the_wrapping_is_dropped() -> None:
    """Its text is a traceback, and it is of our kind too."""
    with pytest.raises(BadTeacher) as caught:
        raise_driver_error(of_an_actor(BadTeacher("it has no head")))
    assert caught.value.__cause__ is None
    assert user_message(caught.value) == "it has no head"


def test_in_its_process_an_error_of_others_stays_what_it_was() -> None:
    with pytest.raises(ZeroDivisionError), errors_for_driver():
        raise ZeroDivisionError
