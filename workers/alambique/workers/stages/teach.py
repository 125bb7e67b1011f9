"""Stage 1: a teacher, fine-tuned for the job, of many runs the best, or tested as it is."""

import shutil
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from alambique.models.weights import weights_hash
from alambique.spec.errors import Diverged
from alambique.spec.outputs import Output
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
from alambique.workers.once import key_of, once, once_if_free
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
    take those that are done. Runs that another job is doing come last, so that jobs with the same
    candidates share out the work.

    Raises:
        BadTeacher: there is none.
        Diverged: the only run diverged before it had any weights.
    """
    runs = work.job.teacher.runs
    tried = _all_tried(work, checked, runs)
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


def _all_tried(work: Work, checked: Checked, runs: Sequence[Run]) -> tuple[Tried, ...]:
    tried: dict[int, Tried] = {}
    for do in (once_if_free, once):
        left = [(number, run) for number, run in enumerate(runs) if number not in tried]
        for number, run in left:
            part = _part(checked, run, number, len(runs))
            tuned = do(
                work,
                Stage.TEACH,
                reads(work, checked, run),
                Tuned,
                partial(_done, work, checked, run, part),
                part if len(runs) > 1 else None,
            )
            if tuned is not None:
                tried[number] = _as_tried(checked, run, number, tuned)
    return tuple(tried[number] for number in range(len(runs)))


def _part(checked: Checked, run: Run, number: int, of: int) -> Part:
    told = f"teacher {number + 1} of {of}, {_name(checked, run)}" if of > 1 else "teacher"
    return Part(Stage.TEACH, told, number, of)


def _name(checked: Checked, run: Run) -> str:
    """The model and, of a grid, the point."""
    return f"{_model(checked, run)}, {run.said}" if run.point else _model(checked, run)


def _model(checked: Checked, run: Run) -> str:
    start = checked.teachers[run.candidate]
    return start.name if start else written(source_of(run.model))


def _as_tried(checked: Checked, run: Run, number: int, tuned: Tuned) -> Tried:
    return Tried(
        number=number + 1,
        candidate=run.candidate,
        model=_model(checked, run),
        name=_name(checked, run),
        point=dict(run.point),
        train=run.train,
        tuned=tuned,
    )


def _done(work: Work, checked: Checked, run: Run, part: Part, folder: Path) -> Tuned:
    began = time.monotonic()
    start = whole(_start_folder(work, checked, run), partial(_start, work, checked, run))
    found = _found(work, checked, run, part, start, folder / "run")
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


def _found(
    work: Work, checked: Checked, run: Run, part: Part, start: Path, folder: Path
) -> Trained | Diverged:
    if run.train is None:
        return _tested(work, checked, start)
    try:
        return _tuned(work, checked, start, run.train, part, folder)
    except Exception as error:  # Ray wraps what its workers raise
        if found := next((one for one in chain(error) if isinstance(one, Diverged)), None):
            return found
        raise


def _tuned(
    work: Work, checked: Checked, start: Path, train: Train, part: Part, folder: Path
) -> Trained:
    place = placement(work.job.resources, distilled=False)
    course = Course(
        task=work.job.task,
        labels=checked.data.labels,
        start=start,
        training=checked.data.files["train"],
        validation=checked.data.files["dev"],
        train=train,
        zero=place.zero if place else None,
        folder=folder,
    )
    outcome = running.run(work, course, part, place)
    return _trained(work, course.best, outcome.best_loss, outcome.metric, outcome.diverged)


def _tested(work: Work, checked: Checked, start: Path) -> Trained:
    task = find(work.job.task)
    if task.output is Output.STATES:  # it predicts nothing, and is alike to itself
        work.report(Stage.TEACH, 1.0, message="the teacher is taken as it is")
        return _trained(work, start, None, 1.0, diverged=False)
    work.report(Stage.TEACH, 0.0, message="testing the teacher on the validation examples")
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


def _start_folder(work: Work, checked: Checked, run: Run) -> Path:
    """Where runs that begin with the same network find it: a grid's differ in how they go on."""
    start = checked.teachers[run.candidate]
    content = {
        "task": work.job.task,
        "start": start.content if start else [run.model, work.job.teacher.positions],
        "texts": None if start else checked.data.hashes["train"],
        "labels": checked.data.labels,
        "seed": run.train.seed if run.train else None,
    }
    return work.desk / f"start-{key_of(Stage.TEACH, content)[:24]}"


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
    if task.output is Output.STATES:
        return None
    guessed = task.majority(read(data.files["dev"]))
    if found.metric > guessed:
        return None
    return (
        f"{task.primary} on the validation examples is {found.metric:.4f}; "
        f"always giving the commonest answer has {guessed:.4f}"
    )
