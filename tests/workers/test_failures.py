"""Which reason an error gives a job, and what its owner is told."""

import errno
import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow
import pytest
import torch
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
from alambique.workers.pipeline.failures import (
    error_of,
    exception_chain,
    known_error,
    reason_of,
    user_message,
)


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
    assert user_message(found.value).startswith("no space is left on the disk")


def raised(error: Exception, cause: Exception) -> Exception:
    """The error as it is caught after `raise error from cause`."""
    try:
        raise error from cause
    except Exception as caught:
        return caught


def test_what_caused_an_error_counts_more_than_the_error() -> None:
    lost = raised(LostWorker("training ended"), torch.OutOfMemoryError("2 GiB"))
    assert reason_of(lost) is Reason.OUT_OF_MEMORY
    assert user_message(lost) == "training ended"


def test_our_words_are_told_without_what_wraps_them() -> None:
    assert user_message(raised(RuntimeError("x"), BadTeacher("it has no head"))) == "it has no head"
    assert (
        user_message(ZeroDivisionError("division by zero")) == "ZeroDivisionError: division by zero"
    )


@pytest.mark.parametrize("reason", Reason)
def test_an_error_of_a_reason_keeps_it_in_pickle(reason: Reason) -> None:
    """For that of reasons that no kind of ours stands for, too."""
    copy = pickle.loads(pickle.dumps(error_of(reason, "what was found")))
    assert (reason_of(copy), str(copy)) == (reason, "what was found")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (LostWorker("training ended"), torch.OutOfMemoryError("2 GiB")),
        (RuntimeError("later"), LabelMismatch("O, B-PER")),
        (RuntimeError("later"), OSError(errno.ENOSPC, "No space left on device", "x")),
        (RuntimeError("later"), MemoryError()),
        (BadData("train.json:3: broken"), ValueError("broken")),
    ],
)
def test_what_is_known_of_an_error_is_said_without_its_causes(
    error: Exception, cause: Exception
) -> None:
    whole = raised(error, cause)
    copy = pickle.loads(pickle.dumps(known_error(whole)))
    assert copy.__cause__ is None
    assert (reason_of(copy), user_message(copy)) == (reason_of(whole), user_message(whole))


def test_of_an_error_of_others_nothing_is_known() -> None:
    assert known_error(raised(RuntimeError("x"), ZeroDivisionError("y"))) is None


def test_errors_that_cause_each_other_end() -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert exception_chain(one) == [other, one]


@pytest.mark.parametrize("kind", AlambiqueError.__subclasses__())
def test_errors_of_ours_travel_between_processes(kind: type[AlambiqueError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("what was found")))
    assert (type(copy), str(copy)) == (kind, "what was found")
