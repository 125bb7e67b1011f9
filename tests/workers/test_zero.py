"""DeepSpeed on two processes, with no compiler to be found, against one plain process."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from alambique.models.networks import load
from alambique.tasks.all import find
from alambique.workers.training.course import Course
from alambique.workers.training.loop import Run, read_outcome
from alambique.workers.training.place import Alone
from alambique.workers.training.position import Position

Made = Callable[..., Course]


class Recorded(Run):
    losses: tuple[float, ...] = ()

    def _step(self, batch: Sequence[int], position: Position) -> float:
        loss = super()._step(batch, position)
        self.losses = (*self.losses, loss)
        return loss


RECORDER = Path(__file__).with_name("recorder.py")
TOOLS = ("gcc", "g++", "cc", "c++", "ninja", "nvcc")


def on_processes(courses: Sequence[Course], folder: Path, processes: int = 2) -> list[list[float]]:
    """The losses of each course's steps, trained by torchrun on a PATH without a compiler."""
    bare = folder / "bin"
    bare.mkdir()
    (bare / "python3").symlink_to(sys.executable)
    assert not any(shutil.which(tool, path=str(bare)) for tool in TOOLS)
    for course in courses:
        (course.folder / "course.json").write_text(course.model_dump_json())
    files = [str(course.folder / "course.json") for course in courses]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node", str(processes), str(RECORDER), *files],
        env=os.environ | {"PATH": str(bare), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((c.folder / "losses.json").read_text()) for c in courses]


def alone(course: Course) -> Recorded:
    run = Recorded(course, Alone(torch.device("cpu")))
    run.to_the_end()
    return run


STAGES = [pytest.param((0, 2), id="0-2"), pytest.param((1, 3), id="1-3", marks=pytest.mark.slow)]


@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("task", ["question-answering", "named-entities"])
def test_two_workers_have_the_losses_of_one(
    course: Made, tmp_path: Path, task: str, stages: tuple[int, ...]
) -> None:
    one, courses = course(task), [course(task, zero=stage) for stage in stages]
    expected = alone(one)
    for losses, told in zip(on_processes(courses, tmp_path), courses, strict=True):
        assert losses == pytest.approx(expected.losses, abs=1e-4)
        assert best_loss(told) == pytest.approx(best_loss(one), abs=1e-4)
        network = load(told.best, find(task).output, told.labels)
        assert network.head_present
        assert all(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("stages", STAGES)
def test_mixed_precision_learns_on_two_workers(
    course: Made, tmp_path: Path, stages: tuple[int, ...]
) -> None:
    one = course("named-entities")
    bf16 = one.train.model_copy(update={"precision": "bf16"})
    courses = [course("named-entities", zero=stage, train=bf16) for stage in stages]
    alone(one)
    for losses, told in zip(on_processes(courses, tmp_path), courses, strict=True):
        assert losses[-1] < losses[0]
        assert best_loss(told) == pytest.approx(best_loss(one), abs=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("task", ["question-answering", "named-entities"])
def test_gpus_have_the_losses_of_the_cpu(course: Made, tmp_path: Path, task: str) -> None:
    one, courses = course(task), [course(task, zero=stage) for stage in range(4)]
    expected = alone(one)
    found = on_processes(courses, tmp_path, torch.cuda.device_count())
    for losses, told in zip(found, courses, strict=True):
        assert losses == pytest.approx(expected.losses, abs=1e-3)
        assert best_loss(told) == pytest.approx(best_loss(one), abs=1e-3)


def best_loss(course: Course) -> float:
    outcome = read_outcome(course)
    assert outcome is not None
    return outcome.best_loss
