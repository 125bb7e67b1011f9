"""Stage 1: a teacher, fine-tuned for the job, of many runs the best, or tested as it is."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alambique.models.weights import weights_hash
from alambique.spec.errors import Diverged
from alambique.spec.sources import Architecture, source_of, written
from alambique.spec.states import Stage
from alambique.spec.teacher import Run
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.tasks.examples import read
from alambique.tasks.task import Task
from alambique.workers import running
from alambique.workers.failures import chain
from alambique.workers.files import whole
from alambique.workers.once import once
from alambique.workers.records import Checked, DataSet, Taught, Trained, Tried, Tuned
from alambique.workers.running import Part, placement, processes
from alambique.workers.stages.choosing import chosen, collapsed
from alambique.workers.starting import from_scratch, prepared
from alambique.workers.testing import score_of
from alambique.workers.training.course import Course
from alambique.workers.work import Work


def teach(work: Work, checked: Checked) -> Taught:
    """A teacher that is better than guessing, chosen from all runs where there are several.

    Each run is a stage of its own: another job of the project, and the next attempt at this one,
    take those that are done.

    Raises:
        BadTeacher: there is none.
        Diverged: the only run diverged before it had any weights.
    """
    runs = work.job.teacher.runs
    tried = tuple(_tried(work, checked, run, number, len(runs)) for number, run in enumerate(runs))
    if len(runs) > 1 and (lines := collapsed(tried)):
        work.log(*lines)
    taught = chosen(tried)
    if taught.runs:
        work.log(f"the teacher is {taught.runs[taught.number - 1].name}")
    return taught


def reads(work: Work, checked: Checked, run: Run) -> Mapping[str, Any]:
    """What a run depends on."""
    start = checked.teachers[run.candidate]
    return {
        "task": work.job.task,
        "model": start.content if start else run.model,
        "train": run.train,
        "windows": [work.job.teacher.max_length, work.job.teacher.stride],
        "labels": checked.data.labels,
        "data": [checked.data.hashes["train"], checked.data.hashes["dev"]],
        "processes": processes(work.job.resources, distilled=False),
    }


def _tried(work: Work, checked: Checked, run: Run, number: int, of: int) -> Tried:
    start = checked.teachers[run.candidate]
    model = start.name if start else written(source_of(run.model))
    name = f"{model}, {run.said}" if run.point else model
    told = f"teacher {number + 1} of {of}, {name}" if of > 1 else "teacher"
    part = Part(Stage.TEACH, told, number, of)
    tuned = once(
        work,
        Stage.TEACH,
        reads(work, checked, run),
        Tuned,
        lambda folder: _done(work, checked, run, part, folder),
        part if of > 1 else None,
    )
    return Tried(
        number=number + 1,
        candidate=run.candidate,
        model=model,
        name=name,
        point=dict(run.point),
        train=run.train,
        tuned=tuned,
    )


def _done(work: Work, checked: Checked, run: Run, part: Part, folder: Path) -> Tuned:
    began = time.monotonic()
    start = whole(folder / "start", lambda into: _start(work, checked, run, into))
    found = _found(work, checked, run, part, start)
    seconds = time.monotonic() - began
    if isinstance(found, Diverged):
        shutil.rmtree(folder / "run")  # its checkpoints, which lead nowhere
        return Tuned(teacher=None, start=start, collapsed=str(found), seconds=seconds)
    return Tuned(
        teacher=found.model_copy(update={"seconds": seconds}),
        start=start,
        collapsed=_no_better_than_guessing(find(work.job.task), checked.data, found),
        seconds=seconds,
    )


def _found(work: Work, checked: Checked, run: Run, part: Part, start: Path) -> Trained | Diverged:
    if run.train is None:
        return _tested(work, checked, start)
    try:
        return _tuned(work, checked, start, run.train, part)
    except Exception as error:  # Ray wraps what its workers raise
        if found := next((one for one in chain(error) if isinstance(one, Diverged)), None):
            return found
        raise


def _tuned(work: Work, checked: Checked, start: Path, train: Train, part: Part) -> Trained:
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
    outcome = running.run(work, course, part, place)
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


def _start(work: Work, checked: Checked, run: Run, into: Path) -> None:
    """Puts the network that fine-tuning begins with, or that is tested, into a folder."""
    task, labels = find(work.job.task), checked.data.labels
    seed = run.train.seed if run.train else 0
    if isinstance(run.model, Architecture):
        texts = (text for e in read(checked.data.files["train"]) for text in task.texts(e))
        positions = work.job.teacher.positions
        from_scratch(run.model, texts, task.output, labels, into, positions, seed=seed)
    else:
        start = checked.teachers[run.candidate]
        assert start is not None
        prepared(start.folder, task.output, labels, into, seed=seed)


def _no_better_than_guessing(task: Task[Any, Any], data: DataSet, found: Trained) -> str | None:
    """Why the network cannot teach; None where it can."""
    guessed = task.majority(read(data.files["dev"]))
    if found.metric > guessed:
        return None
    return (
        f"{task.primary} on the validation examples is {found.metric:.4f}; "
        f"always giving the commonest answer has {guessed:.4f}"
    )
