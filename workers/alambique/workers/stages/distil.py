"""Stage 3: the students: distilled from the teachers, and baselines on gold labels alone."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from alambique.models.folders import model_hash
from alambique.models.weights import weights_hash
from alambique.registry.transitions import may_pass
from alambique.spec.job import Baseline, Job
from alambique.spec.objective import Gold, Logits, Term, layered
from alambique.spec.objective import taught as teaches
from alambique.spec.outputs import Output
from alambique.spec.states import StageName
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.workers.files import build_folder
from alambique.workers.initial_weights import write_student
from alambique.workers.layer_maps import maps_of, resolve_maps
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.provenance import outputs_makers_of, record_outputs
from alambique.workers.pipeline.records import (
    CachedOutputs,
    JobInputs,
    SelectedTeacher,
    StudentResult,
    TrainedModel,
)
from alambique.workers.pipeline.stage import run_stage
from alambique.workers.pipeline.training_runs import StagePart, placement, processes, run_training
from alambique.workers.training.inputs import namespace_of
from alambique.workers.training.result import result_of
from alambique.workers.training.spec import StepBudget, TrainingSpec

Kind = Literal[Baseline, "distilled"]
"""What a student is in its job."""

GOLD_ALONE = (Gold(),)
"""The objective of a student that has no teacher."""


def train_student(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    cached: Sequence[CachedOutputs],
    kind: Kind,
    part: StagePart,
) -> TrainedModel:
    """Return one student of a job of one seed, trained by whichever job of the project was first.

    What it is called there is no part of its key: without a start of the teacher's, for example,
    both baselines are one network.
    """
    found = run_stage(
        work,
        StageName.DISTIL,
        key_inputs(work, checked, taught, cached, kind),
        StudentResult,
        lambda folder: distil(work, checked, taught, cached, kind, folder, part),
        part,
    )
    return found.student.model_copy(update={"name": kind, "seed": work.job.train.seed})


def distil(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    cached: Sequence[CachedOutputs],
    kind: Kind,
    folder: Path,
    part: StagePart,
) -> StudentResult:
    """One student, trained until patience or epochs end; `part` says where it is shown."""
    began = time.monotonic()
    note_outputs(cached, kind, folder)
    start = build_folder(folder / "start", lambda into: _start(work, checked, taught, kind, into))
    courses = courses_of(work, checked, taught, cached, kind, start)
    place = placement(work.job.resources, distilled=kind == "distilled")
    for course, each in zip(courses, _parts(part, len(courses)), strict=True):
        run_training(work, resolve_maps(course), each, place)
    return student_of(courses, kind, time.monotonic() - began)


def student_of(courses: Sequence[TrainingSpec], kind: Kind, seconds: float) -> StudentResult:
    """The student of courses that are over, one after the other.

    Raises:
        LostWorker: one of them has left no outcome.
    """
    *before, last = courses
    outcomes = [result_of(course) for course in courses]
    outcome = outcomes[-1]
    maps = {f"intermediate.{term}": m for one in before for term, m in maps_of(one).items()}
    trained = TrainedModel(
        name=kind,
        folder=last.best,
        weights=weights_hash(last.best),
        max_length=last.train.max_length,
        stride=last.train.stride,
        loss=outcome.best_loss,
        metric=outcome.metric,
        seconds=seconds,
        steps=sum(one.steps for one in outcomes),
        diverged=any(one.diverged for one in outcomes),
        maps=maps | maps_of(last),
        course=resolve_maps(last) if find(last.task).output is Output.STATES else None,
        outputs_by=outputs_makers_of(last.folder.parent),
    )
    return StudentResult(student=trained)


def note_outputs(cached: Sequence[CachedOutputs], kind: Kind, folder: Path) -> None:
    """Note in a student's folder who computed the teacher outputs that it will learn from."""
    if kind == "distilled":
        record_outputs(folder, [maker for one in cached for maker in one.made_by])


def kinds(work: JobContext) -> tuple[Kind, ...]:
    """Which students the job trains, in their order."""
    return (*work.job.compare, "distilled") if work.job.distil else work.job.compare


def train_students(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    cached: Sequence[CachedOutputs],
) -> tuple[list[TrainedModel], list[str]]:
    """Return the students of a job without a search, and why one of them is missing.

    Of each seed the baselines come first, then the distilled student. One that fails for good is
    left out, as long as there is one of those that the job is for.

    Raises:
        AlambiqueError: none of those could be trained, or another try may go otherwise.
    """
    asked = [(job, kind) for job in work.job.seeded for kind in kinds(work)]
    trained: list[TrainedModel] = []
    failed: dict[Kind, Exception] = {}
    notes = []
    for number, (job, kind) in enumerate(asked):
        name = _shown(work, job, kind)
        part = StagePart(StageName.DISTIL, name, number, len(asked))
        try:
            one = train_student(replace(work, job=job), checked, taught, cached, kind, part)
            trained.append(one)
        except Exception as error:
            if may_pass(reason_of(error)):
                raise
            failed.setdefault(kind, error)
            notes.append(f"no {name} student: {user_message(error)}")
    wanted = "distilled" if work.job.distil else work.job.compare[0]
    if wanted in failed and all(one.name != wanted for one in trained):
        raise failed[wanted]
    if notes:
        work.log(*(f"warning: {note}" for note in notes))
    return trained, notes


def _shown(work: JobContext, job: Job, kind: Kind) -> str:
    """What people call a student: of several seeds, with its own."""
    return f"{kind}, seed {job.train.seed}" if work.job.seeds else kind


def key_inputs(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    cached: Sequence[CachedOutputs],
    kind: Kind,
) -> Mapping[str, Any]:
    """What a student depends on."""
    job = work.job
    common = {
        "task": job.task,
        "student": job.student,
        "start": checked.student.content if checked.student else None,
        "train": job.train,
        "labels": checked.data.labels,
        "data": [checked.data.hashes["train"], checked.data.hashes["dev"]],
        "processes": processes(job.resources, distilled=kind == "distilled"),
    }
    unlabelled = checked.data.unlabelled
    if kind != "distilled":
        # with a start of its own it has nothing of the teacher, whichever that is
        source = source_of_start(work, checked, taught, kind)
        begun = None if checked.student else model_hash(source)
        pace = [
            [
                *steps_of_training(one.train),
                unlabelled.hash if unlabelled and one.unlabelled else None,
            ]
            for one in _pace(work, checked)
        ]
        return common | {"from": begun, "objective": GOLD_ALONE, "pace": pace}
    return (
        common
        | {"from": model_hash(taught[0].teacher.folder), "outputs": _outputs(work, cached)}
        | {"objective": job.objective, "intermediate": job.intermediate}
        | ({"unlabelled": unlabelled.hash} if unlabelled else {})
    )


def _outputs(work: JobContext, cached: Sequence[CachedOutputs]) -> Any:
    """The outputs that are learnt from; of one teacher its weight decides nothing."""
    task = find(work.job.task)
    each = [(namespace_of(one.outputs, task).digest, one.outputs.weight) for one in cached]
    if len(each) > 1:
        return each
    return each[0][0] if each else None


def courses_of(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    cached: Sequence[CachedOutputs],
    kind: Kind,
    start: Path,
) -> tuple[TrainingSpec, ...]:
    """How a student is trained that begins with the network in `start`, in folders beside it.

    Of several courses, each begins with the best weights of the one before, and with what was
    trained beside them.
    """
    job, folder = work.job, start.parent
    course = partial(_course, work, checked, taught, cached)
    if kind != "distilled":
        alone = course(GOLD_ALONE, job.train, start, folder / "run")
        return (alone.model_copy(update={"pace": _pace(work, checked)}),)
    if job.intermediate is None:
        return (course(job.objective, job.train, start, folder / "run"),)
    before = job.intermediate
    first = course(before.objective, before.train, start, folder / "first")
    second = course(job.objective, job.train, first.best, folder / "run")
    beginning = first.bridges if first.beside and second.beside else None
    return first, second.model_copy(update={"beginning": beginning})


def steps_of_training(train: Train) -> list[Any]:
    """Return what decides how many steps a training takes; of batches of tokens also the seed."""
    batch = [train.batch_size, train.batch_tokens, train.seed if train.batch_tokens else None]
    return [train.epochs, *batch, train.max_length, train.stride]


def _pace(work: JobContext, checked: JobInputs) -> tuple[StepBudget, ...]:
    """The trainings of the distilled student, where they take other steps than a baseline's own."""
    job, unlabelled = work.job, checked.data.unlabelled
    if job.intermediate is None and unlabelled is None:
        return ()
    trainings = [(job.objective, job.train)]
    if before := job.intermediate:
        trainings.insert(0, (before.objective, before.train))
    return tuple(
        StepBudget(
            train=train, unlabelled=unlabelled.file if unlabelled and teaches(terms) else None
        )
        for terms, train in trainings
    )


def _course(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    cached: Sequence[CachedOutputs],
    objective: tuple[Term, ...],
    train: Train,
    start: Path,
    folder: Path,
) -> TrainingSpec:
    resources = placement(work.job.resources, distilled=objective is not GOLD_ALONE)
    outputs = any(isinstance(term, Logits) for term in objective)
    unlabelled = checked.data.unlabelled if teaches(objective) else None
    return TrainingSpec(
        task=work.job.task,
        labels=checked.data.labels,
        start=start,
        training=checked.data.files["train"],
        validation=checked.data.files["dev"],
        train=train,
        objective=objective,
        unlabelled=unlabelled.file if unlabelled else None,
        teachers=tuple(one.outputs for one in cached) if outputs else (),
        beside=taught[0].teacher.folder if layered(objective) else None,
        zero=resources.zero if resources else None,
        folder=folder,
    )


def _parts(part: StagePart, courses: int) -> list[StagePart]:
    """Where the progress of each course of a student belongs: within that of the student."""
    *before, last = range(courses)
    return [
        *(
            StagePart(
                part.stage, f"{part.name}, first", part.number * courses + n, part.of * courses
            )
            for n in before
        ),
        StagePart(part.stage, part.name, part.number * courses + last, part.of * courses),
    ]


def source_of_start(
    work: JobContext, checked: JobInputs, taught: Sequence[SelectedTeacher], kind: Kind
) -> Path:
    """The model that the untrained student is made of: of several teachers the first.

    Gold-only cuts from what the teacher started from: layers of the fine-tuned teacher know its
    answers already. Of a random start shape and tokenizer alone are taken, which are the same
    before and after: no baseline needs to wait for another teacher's.
    """
    if checked.student is not None:
        return checked.student.folder
    alone = kind == "gold-only" or (work.job.student.start == "random" and kind != "distilled")
    return taught[0].start if alone else taught[0].teacher.folder


def _start(
    work: JobContext, checked: JobInputs, taught: Sequence[SelectedTeacher], kind: Kind, into: Path
) -> None:
    """The untrained student."""
    source = source_of_start(work, checked, taught, kind)
    output = find(work.job.task).output
    write_student(
        work.job.student, source, output, checked.data.labels, into, seed=work.job.train.seed
    )
