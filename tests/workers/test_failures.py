"""Which reason an error gives a job, and what its owner is told."""

import errno
import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow
import pytest
import torch
from ray.exceptions import RayTaskError
from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError
from safetensors.torch import save_file

from alambique.spec.errors import (
    AlambiqueError,
    BadData,
    BadModel,
    BadSpec,
    BadTeacher,
    Diverged,
    LabelMismatch,
    LostWorker,
    NoData,
    NotEnoughDisk,
    OtherCode,
    UnknownName,
    Unreachable,
)
from alambique.spec.states import Reason
from alambique.workers.cluster import cause_of
from alambique.workers.pipeline.failures import exception_chain, reason_of, user_message


def of_a_task(cause: Exception) -> Exception:
    """As Ray raises what an actor raised."""
    return RayTaskError("fill", "Traceback: …", cause)  # type: ignore[no-untyped-call]


def of_a_worker(cause: Exception) -> Exception:
    """As Ray Train raises what a training worker raised."""
    return WorkerGroupError("[Rank 1 Error Snippet]: …", {1: cause})


def torch_writes(folder: Path) -> None:
    torch.save(torch.zeros(1000), folder / "state.pt")


def arrow_writes(folder: Path) -> None:
    with pyarrow.OSFile(str(folder / "examples"), "wb") as file:
        file.write(bytes(1000))


def safetensors_writes(folder: Path) -> None:
    save_file({"weight": torch.zeros(1000)}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BadData("train.json:3: broken"), Reason.BAD_DATA),
        (BadTeacher("no head"), Reason.BAD_TEACHER),
        (LabelMismatch("O, B-PER"), Reason.BAD_TEACHER),
        (BadModel("no config.json"), Reason.BAD_MODEL),
        (BadSpec("3 layers of 2"), Reason.BAD_SPEC),
        (UnknownName("no data set x"), Reason.BAD_SPEC),
        (Diverged("nan"), Reason.DIVERGED),
        (NotEnoughDisk("1 GB"), Reason.NO_DISK),
        (OSError(errno.ENOSPC, "No space left on device"), Reason.NO_DISK),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), Reason.NO_DISK),
        (NoData("no file train.conll"), Reason.NO_DATA),
        (Unreachable("the hub"), Reason.UNREACHABLE),
        (OSError(errno.EACCES, "Permission denied"), Reason.INTERNAL),
        (LostWorker("gone"), Reason.LOST_WORKER),
        (OtherCode("0.1.0, here 0.2.0"), Reason.OTHER_CODE),
        (torch.OutOfMemoryError("CUDA out of memory"), Reason.OUT_OF_MEMORY),
        (MemoryError(), Reason.OUT_OF_MEMORY),
        (ZeroDivisionError("x"), Reason.INTERNAL),
    ],
)
def test_each_kind_has_its_reason(error: Exception, reason: Reason) -> None:
    assert reason_of(error) is reason
    assert reason_of(of_a_task(error)) is reason
    assert reason_of(of_a_worker(error)) is reason
    assert reason_of(of_a_worker(of_a_task(error))) is reason
    assert reason_of(ControllerError(of_a_task(error))) is reason
    assert reason_of(raised(RuntimeError("later"), error)) is reason


@pytest.mark.parametrize("write", [torch_writes, arrow_writes, safetensors_writes])
def test_a_full_disk_has_one_reason_whoever_meets_it(
    tmp_path: Path,
    write: Callable[[Path], None],
    largest_file: Callable[[int], AbstractContextManager[None]],
) -> None:
    with largest_file(100), pytest.raises(Exception) as found:  # noqa: PT011 (each has its own)
        write(tmp_path)
    assert reason_of(found.value) is Reason.NO_DISK
    assert reason_of(of_a_worker(found.value)) is Reason.NO_DISK
    assert user_message(of_a_worker(found.value)).startswith("no space is left on the disk")


def test_what_an_actor_raised_is_told_in_our_words() -> None:
    """Ray raises it as a kind of its own made of ours, whose text is a traceback."""
    ours = BadTeacher("the teacher's output holds an infinite value")
    of_ray = RayTaskError("fill", "Traceback: …", ours).as_instanceof_cause()  # type: ignore[no-untyped-call]
    assert isinstance(of_ray, BadTeacher)
    found = raised(cause_of(of_ray), of_ray)
    assert user_message(found) == user_message(of_ray) == str(ours)
    assert reason_of(found) is Reason.BAD_TEACHER


def raised(error: Exception, cause: Exception) -> Exception:
    """The error as it is caught after `raise error from cause`."""
    try:
        raise error from cause
    except Exception as caught:
        return caught


def test_what_memory_ran_out_in_counts_more_than_that_a_worker_is_gone() -> None:
    lost = raised(LostWorker("training ended"), of_a_worker(torch.OutOfMemoryError("2 GiB")))
    assert reason_of(lost) is Reason.OUT_OF_MEMORY


def test_our_words_are_told_without_what_wraps_them() -> None:
    assert user_message(of_a_worker(of_a_task(BadTeacher("it has no head")))) == "it has no head"
    assert (
        user_message(ZeroDivisionError("division by zero")) == "ZeroDivisionError: division by zero"
    )


def test_on_ray_an_error_of_ours_stays_what_it_was() -> None:
    bad = BadTeacher("not finite")
    assert cause_of(of_a_worker(bad)) is bad
    assert isinstance(cause_of(WorkerGroupError("it is gone", {})), LostWorker)


def test_errors_that_cause_each_other_end() -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert exception_chain(one) == [other, one]


@pytest.mark.parametrize("kind", AlambiqueError.__subclasses__())
def test_errors_of_ours_travel_between_processes(kind: type[AlambiqueError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("what was found")))
    assert (type(copy), str(copy)) == (kind, "what was found")
