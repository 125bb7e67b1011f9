"""Stage 1: a teacher, fine-tuned for the job or tested when it says that it already is."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alambique.models.weights import weights_hash
from alambique.spec.errors import BadTeacher
from alambique.spec.sources import Architecture
from alambique.spec.states import Stage
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.tasks.examples import read
from alambique.tasks.task import Task
from alambique.workers.files import whole
from alambique.workers.records import Checked, DataSet, Taught, Trained
from alambique.workers.running import Part, placement, processes, run
from alambique.workers.starting import from_scratch, prepared
from alambique.workers.testing import score_of
from alambique.workers.training.course import Course
from alambique.workers.work import Work


def teach(work: Work, checked: Checked, folder: Path) -> Taught:
    """A teacher that is better than guessing.

    Raises:
        BadTeacher: it is not.
    """
    train = work.job.teacher.train
    began = time.monotonic()
    start = whole(folder / "start", lambda into: _start(work, checked, into))
    found = _tested(work, checked, start) if train is None else _tuned(work, checked, start, train)
    _better_than_guessing(find(work.job.task), checked.data, found)
    seconds = time.monotonic() - began
    return Taught(teacher=found.model_copy(update={"seconds": seconds}), start=start)


def reads(work: Work, checked: Checked) -> Mapping[str, Any]:
    """What a teacher depends on."""
    return {
        "task": work.job.task,
        "model": checked.teacher.content if checked.teacher else work.job.teacher.model,
        "train": work.job.teacher.train,
        "windows": [work.job.teacher.max_length, work.job.teacher.stride],
        "labels": checked.data.labels,
        "data": [checked.data.hashes["train"], checked.data.hashes["dev"]],
        "processes": processes(work.job.resources, distilled=False),
    }


def _tuned(work: Work, checked: Checked, start: Path, train: Train) -> Trained:
    place = placement(work.job.resources, distilled=False)
    course = Course(
        task=work.job.task,
        labels=checked.data.labels,
        start=start,
        training=checked.data.files["train"],
        validation=checked.data.files["dev"],
        train=train,
        zero=place.zero if place else None,
        folder=start.parent / "run",
    )
    outcome = run(work, course, Part(Stage.TEACH, "teacher"), place)
    return _trained(work, course.best, outcome.best_loss, outcome.metric, outcome.diverged)


def _tested(work: Work, checked: Checked, start: Path) -> Trained:
    work.report(Stage.TEACH, 0.0, message="testing the teacher on the validation examples")
    task = find(work.job.task)
    teacher = work.job.teacher
    scores = score_of(
        task,
        start,
        read(checked.data.files["dev"]),
        checked.data.labels,
        max_length=teacher.max_length,
        stride=teacher.stride,
    )
    return _trained(work, start, None, scores[task.primary], diverged=False)


def _trained(
    work: Work, folder: Path, loss: float | None, metric: float, diverged: bool
) -> Trained:
    return Trained(
        name="teacher",
        folder=folder,
        weights=weights_hash(folder),
        max_length=work.job.teacher.max_length,
        stride=work.job.teacher.stride,
        loss=loss,
        metric=metric,
        seconds=0.0,
        diverged=diverged,
    )


def _start(work: Work, checked: Checked, into: Path) -> None:
    """Puts the network that fine-tuning begins with, or that is tested, into a folder."""
    task, teacher = find(work.job.task), work.job.teacher
    model, labels = teacher.model, checked.data.labels
    seed = teacher.train.seed if teacher.train else 0
    if isinstance(model, Architecture):
        texts = (text for e in read(checked.data.files["train"]) for text in task.texts(e))
        from_scratch(model, texts, task.output, labels, into, teacher.positions, seed=seed)
    else:
        assert checked.teacher is not None
        prepared(checked.teacher.folder, task.output, labels, into, seed=seed)


def _better_than_guessing(task: Task[Any, Any], data: DataSet, found: Trained) -> None:
    examples = read(data.files["dev"])
    guessed = task.majority(examples)
    if found.metric <= guessed:
        raise BadTeacher(
            f"the teacher's {task.primary} on the validation examples is {found.metric:.4f}; "
            f"always giving the commonest answer has {guessed:.4f}: a student can learn nothing "
            "from it. Fine-tune it (teacher.train), train it longer, or at another learning rate"
        )
