"""Stage 1: each teacher, fine-tuned for the job, of many runs the best, or tested as it is."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from alambique.models.weights import weights_hash
from alambique.spec.errors import Diverged
from alambique.spec.outputs import Output
from alambique.spec.sources import Architecture, source_of, written
from alambique.spec.states import StageName
from alambique.spec.teacher import Run
from alambique.spec.teachers import TeacherEntry
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.tasks.examples import read
from alambique.workers.files import build_folder
from alambique.workers.initial_weights import write_from_scratch, write_with_head
from alambique.workers.pipeline import training_runs as running
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import exception_chain
from alambique.workers.pipeline.provenance import UNKNOWN, makers_of, record_maker
from alambique.workers.pipeline.records import (
    FineTuneResult,
    FineTuneRun,
    GateFigures,
    InitialWeights,
    JobInputs,
    SelectedTeacher,
    TrainedModel,
)
from alambique.workers.pipeline.stage import key_of, run_stage, run_stage_if_free
from alambique.workers.pipeline.training_runs import StagePart, placement, processes
from alambique.workers.stages.choosing import chosen, collapsed, unfit
from alambique.workers.stages.gate import Validated, in_words, judge_runs, validate_teacher
from alambique.workers.training.spec import TrainingSpec


@dataclass(frozen=True, slots=True)
class _Asked:
    """A run of one of the job's teachers."""

    teacher: TeacherEntry
    run: Run
    number: int
    """Among the runs of that teacher, from 1."""

    @property
    def several(self) -> bool:
        """Whether the teacher is chosen from more than this one."""
        return len(self.teacher.said.runs) > 1


def select_teachers(work: JobContext, checked: JobInputs) -> tuple[SelectedTeacher, ...]:
    """For each teacher one that passes the gate, chosen where there are several runs.

    Each run is a stage of its own: another job of the project, and the next attempt at this one,
    take those that are done. Runs that another job is doing come last, so that jobs with the same
    teachers and candidates share out the work.

    Raises:
        BadTeacher: there is none.
        Diverged: the only run diverged before it had any weights.
    """
    tried = _all_tried(work, checked, [asked for one in work.job.teachers for asked in _runs(one)])
    return tuple(_chosen(work, one, tried[one.role]) for one in work.job.teachers)


def _runs(teacher: TeacherEntry) -> list[_Asked]:
    runs = teacher.said.runs
    return [_Asked(teacher, run, number) for number, run in enumerate(runs, start=1)]


def _chosen(
    work: JobContext, teacher: TeacherEntry, tried: Sequence[FineTuneRun]
) -> SelectedTeacher:
    taught = chosen(judge_runs(tried), teacher)
    # a run may have been done for another job, in which its network was called otherwise
    named = taught.teacher.model_copy(update={"name": teacher.role})
    taught = taught.model_copy(update={"teacher": named})
    work.log(*_said_of(taught))
    return taught


def _said_of(taught: SelectedTeacher) -> Iterator[str]:
    """What the log says of a choice."""
    role = taught.teacher.name
    yield from collapsed(taught.runs)
    if taught.collapsed:
        yield f"warning: {unfit(taught)}"
    if taught.runs:
        yield f"the {role} is {taught.runs[taught.number - 1].name}"
    if taught.gate:
        yield f"the {role}'s {in_words(taught.gate)}"


def key_inputs(
    work: JobContext, checked: JobInputs, teacher: TeacherEntry, run: Run
) -> Mapping[str, Any]:
    """What a run depends on."""
    start = _begun(checked, teacher, run)
    return {
        "task": work.job.task,
        "model": start.content if start else run.model,
        "train": run.train,
        "windows": [teacher.said.max_length, teacher.said.stride],
        "labels": checked.data.labels,
        "data": [checked.data.hashes["train"], checked.data.hashes["dev"]],
        "processes": processes(work.job.resources, distilled=False),
    }


def _begun(checked: JobInputs, teacher: TeacherEntry, run: Run) -> InitialWeights | None:
    """The model that a run begins with; None: one from scratch."""
    return checked.teachers[teacher.number][run.candidate]


def _all_tried(
    work: JobContext, checked: JobInputs, runs: Sequence[_Asked]
) -> Mapping[str, list[FineTuneRun]]:
    """By the role of the teacher, all its runs in their order."""
    tried: dict[int, FineTuneRun] = {}
    for do in (run_stage_if_free, run_stage):
        left = [(number, asked) for number, asked in enumerate(runs) if number not in tried]
        for number, asked in left:
            part = _part(checked, asked, number, len(runs))
            tuned = do(
                work,
                StageName.TEACH,
                key_inputs(work, checked, asked.teacher, asked.run),
                FineTuneResult,
                partial(_done, work, checked, asked, part),
                part if len(runs) > 1 else None,
            )
            if tuned is not None:
                tried[number] = _as_tried(checked, asked, tuned)
    by_role: dict[str, list[FineTuneRun]] = {}
    for number, asked in enumerate(runs):
        by_role.setdefault(asked.teacher.role, []).append(tried[number])
    return by_role


def _part(checked: JobInputs, asked: _Asked, number: int, of: int) -> StagePart:
    told = asked.teacher.role
    if asked.several:
        told += f"{'' if asked.teacher.alone else ', run'} {asked.number} of "
        told += f"{len(asked.teacher.said.runs)}, {_name(checked, asked)}"
    return StagePart(StageName.TEACH, told, number, of)


def _name(checked: JobInputs, asked: _Asked) -> str:
    """The model and, of a grid, the point."""
    model, run = _model(checked, asked), asked.run
    return f"{model}, {run.said}" if run.point else model


def _model(checked: JobInputs, asked: _Asked) -> str:
    start = _begun(checked, asked.teacher, asked.run)
    return start.name if start else written(source_of(asked.run.model))


def _as_tried(checked: JobInputs, asked: _Asked, tuned: FineTuneResult) -> FineTuneRun:
    return FineTuneRun(
        number=asked.number,
        candidate=asked.run.candidate,
        model=_model(checked, asked),
        name=_name(checked, asked),
        point=dict(asked.run.point),
        train=asked.run.train,
        tuned=tuned,
    )


def _done(
    work: JobContext, checked: JobInputs, asked: _Asked, part: StagePart, folder: Path
) -> FineTuneResult:
    began = time.monotonic()
    start = build_folder(_start_folder(work, checked, asked), partial(_start, work, checked, asked))
    found = _found(work, checked, asked, part, start, folder / "run")
    seconds = time.monotonic() - began
    if isinstance(found, Diverged):
        shutil.rmtree(folder / "run")  # its checkpoints, which lead nowhere
        return FineTuneResult(teacher=None, start=start, diverged=str(found), seconds=seconds)
    teacher, gate = found
    return FineTuneResult(
        teacher=teacher.model_copy(update={"seconds": seconds}),
        start=start,
        gate=gate,
        begun_by=makers_of(start) or (UNKNOWN,),
        seconds=seconds,
    )


def _found(
    work: JobContext, checked: JobInputs, asked: _Asked, part: StagePart, start: Path, folder: Path
) -> tuple[TrainedModel, GateFigures | None] | Diverged:
    """The network of a run with its figures."""
    if asked.run.train is None:
        validated = _validated(work, checked, asked.teacher, part, start)
        tested = _trained(asked.teacher, start, None, validated.metric, diverged=False)
        return tested, validated.gate
    try:
        tuned = _tuned(work, checked, asked.teacher, start, asked.run.train, part, folder)
    except Exception as error:  # Ray wraps what its workers raise
        if found := next(
            (one for one in exception_chain(error) if isinstance(one, Diverged)), None
        ):
            return found
        raise
    validated = _validated(work, checked, asked.teacher, part, tuned.folder, done=part.end)
    return tuned, validated.gate


def _tuned(
    work: JobContext,
    checked: JobInputs,
    teacher: TeacherEntry,
    start: Path,
    train: Train,
    part: StagePart,
    folder: Path,
) -> TrainedModel:
    place = placement(work.job.resources, distilled=False)
    course = TrainingSpec(
        task=work.job.task,
        labels=checked.data.labels,
        start=start,
        training=checked.data.files["train"],
        validation=checked.data.files["dev"],
        train=train,
        zero=place.zero if place else None,
        folder=folder,
    )
    outcome = running.run_training(work, course, part, place)
    trained = _trained(teacher, course.best, outcome.best_loss, outcome.metric, outcome.diverged)
    return trained.model_copy(update={"steps": outcome.steps})


def _validated(
    work: JobContext,
    checked: JobInputs,
    teacher: TeacherEntry,
    part: StagePart,
    folder: Path,
    *,
    done: float | None = None,
) -> Validated:
    """How the network in a folder does on the validation examples.

    Args:
        work: the job.
        checked: its data.
        teacher: which of its teachers it is of.
        part: which part of the stage it is.
        folder: with the network.
        done: how far the stage is; None: at the beginning of that part.
    """
    begun = part.number / part.of if done is None else done
    if find(work.job.task).output is Output.STATES:  # it predicts nothing, and is alike to itself
        work.report(StageName.TEACH, begun, message=f"the {teacher.role} is taken as it is")
        return Validated(1.0, None)
    message = f"testing the {teacher.role} on the validation examples"
    work.report(StageName.TEACH, begun, message=message)
    return validate_teacher(work, checked, folder, teacher.said)


def _trained(
    teacher: TeacherEntry, folder: Path, loss: float | None, metric: float, diverged: bool
) -> TrainedModel:
    return TrainedModel(
        name=teacher.role,
        folder=folder,
        weights=weights_hash(folder),
        max_length=teacher.said.max_length,
        stride=teacher.said.stride,
        loss=loss,
        metric=metric,
        seconds=0.0,
        diverged=diverged,
    )


def _start_folder(work: JobContext, checked: JobInputs, asked: _Asked) -> Path:
    """Where runs that begin with the same network find it: a grid's differ in how they go on."""
    start, run = _begun(checked, asked.teacher, asked.run), asked.run
    content = {
        "task": work.job.task,
        "start": start.content if start else [run.model, asked.teacher.said.positions],
        "texts": None if start else checked.data.hashes["train"],
        "labels": checked.data.labels,
        "seed": run.train.seed if run.train else None,
        **({"job": work.id} if work.job.fresh else {}),
    }
    return work.desk / f"start-{key_of(StageName.TEACH, content)[:24]}"


def _start(work: JobContext, checked: JobInputs, asked: _Asked, into: Path) -> None:
    """Puts the network that fine-tuning begins with, or that is tested, into a folder."""
    task, labels, run = find(work.job.task), checked.data.labels, asked.run
    record_maker(into)
    seed = run.train.seed if run.train else 0
    if isinstance(run.model, Architecture):
        texts = (text for e in read(checked.data.files["train"]) for text in task.texts(e))
        positions = asked.teacher.said.positions
        write_from_scratch(run.model, texts, task.output, labels, into, positions, seed=seed)
    else:
        start = _begun(checked, asked.teacher, run)
        assert start is not None
        write_with_head(start.folder, task.output, labels, into, seed=seed)
