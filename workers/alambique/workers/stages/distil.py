"""Stage 3: the students: distilled from the teachers, and on gold labels alone beside it."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from alambique.models.folders import model_hash
from alambique.models.weights import weights_hash
from alambique.spec.objective import Gold, Logits, Term, layered
from alambique.spec.objective import taught as teaches
from alambique.spec.outputs import Output
from alambique.spec.states import Stage
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.workers.files import whole
from alambique.workers.layer_maps import maps_of, resolved
from alambique.workers.provenance import outputs_makers_of, record_outputs
from alambique.workers.records import Cached, Checked, Distilled, Taught, Trained
from alambique.workers.running import Part, placement, processes, run
from alambique.workers.starting import student
from alambique.workers.training.course import Course
from alambique.workers.training.material import namespace_of
from alambique.workers.training.outcome import Outcome, read_outcome
from alambique.workers.work import Work

Kind = Literal["gold-only", "distilled"]

GOLD_ALONE = (Gold(),)
"""The objective of a student that has no teacher."""


def distil(
    work: Work,
    checked: Checked,
    taught: Sequence[Taught],
    cached: Sequence[Cached],
    kind: Kind,
    folder: Path,
    part: Part | None = None,
) -> Distilled:
    """One student, trained until patience or epochs end; `part` says where it is shown."""
    began = time.monotonic()
    note_outputs(cached, kind, folder)
    start = whole(folder / "start", lambda into: _start(work, checked, taught, kind, into))
    courses = courses_of(work, checked, taught, cached, kind, start)
    place = placement(work.job.resources, distilled=kind == "distilled")
    parts = [part] * len(courses) if part else _parts(work, kind)
    for course, each in zip(courses, parts, strict=True):
        outcome = run(work, resolved(course), each, place)
    return student_of(courses, kind, outcome, time.monotonic() - began)


def student_of(
    courses: Sequence[Course], kind: Kind, outcome: Outcome, seconds: float
) -> Distilled:
    """The student of courses that are over; `outcome` is of the last one."""
    *before, last = courses
    maps = {f"intermediate.{term}": m for one in before for term, m in maps_of(one).items()}
    trained = Trained(
        name=kind,
        folder=last.best,
        weights=weights_hash(last.best),
        max_length=last.train.max_length,
        stride=last.train.stride,
        loss=outcome.best_loss,
        metric=outcome.metric,
        seconds=seconds,
        diverged=outcome.diverged or any(map(_diverged, before)),
        maps=maps | maps_of(last),
        course=resolved(last) if find(last.task).output is Output.STATES else None,
        outputs_by=outputs_makers_of(last.folder.parent),
    )
    return Distilled(students=(trained,))


def note_outputs(cached: Sequence[Cached], kind: Kind, folder: Path) -> None:
    """Note in a student's folder who computed the teacher outputs that it will learn from."""
    if kind == "distilled":
        record_outputs(folder, [maker for one in cached for maker in one.made_by])


def _diverged(course: Course) -> bool:
    outcome = read_outcome(course)
    return outcome is not None and outcome.diverged


def kinds(work: Work) -> tuple[Kind, ...]:
    """Which students the job trains, in their order."""
    return (*work.job.compare, "distilled")


def reads(
    work: Work, checked: Checked, taught: Sequence[Taught], cached: Sequence[Cached], kind: Kind
) -> Mapping[str, Any]:
    """What a student depends on."""
    job = work.job
    common = {
        "kind": kind,
        "task": job.task,
        "student": job.student,
        "start": checked.student.content if checked.student else None,
        "train": job.train,
        "labels": checked.data.labels,
        "data": [checked.data.hashes["train"], checked.data.hashes["dev"]],
        "processes": processes(job.resources, distilled=kind == "distilled"),
    }
    if kind == "gold-only":
        # with a start of its own it has nothing of the teacher, whichever that is
        begun = None if checked.student else model_hash(taught[0].start)
        return common | {"from": begun, "objective": GOLD_ALONE}
    unlabelled = checked.data.unlabelled
    return (
        common
        | {"from": model_hash(taught[0].teacher.folder), "outputs": _outputs(work, cached)}
        | {"objective": job.objective, "intermediate": job.intermediate}
        | ({"unlabelled": unlabelled.hash} if unlabelled else {})
    )


def _outputs(work: Work, cached: Sequence[Cached]) -> Any:
    """The outputs that are learnt from; of one teacher its weight decides nothing."""
    task = find(work.job.task)
    each = [(namespace_of(one.outputs, task).digest, one.outputs.weight) for one in cached]
    if len(each) > 1:
        return each
    return each[0][0] if each else None


def courses_of(
    work: Work,
    checked: Checked,
    taught: Sequence[Taught],
    cached: Sequence[Cached],
    kind: Kind,
    start: Path,
) -> tuple[Course, ...]:
    """How a student is trained that begins with the network in `start`, in folders beside it.

    Of several courses, each begins with the best weights of the one before, and with what was
    trained beside them.
    """
    job, folder = work.job, start.parent
    course = partial(_course, work, checked, taught, cached)
    if kind == "gold-only":
        return (course(GOLD_ALONE, job.train, start, folder / "run"),)
    if job.intermediate is None:
        return (course(job.objective, job.train, start, folder / "run"),)
    before = job.intermediate
    first = course(before.objective, before.train, start, folder / "first")
    second = course(job.objective, job.train, first.best, folder / "run")
    beginning = first.bridges if first.beside and second.beside else None
    return first, second.model_copy(update={"beginning": beginning})


def _course(
    work: Work,
    checked: Checked,
    taught: Sequence[Taught],
    cached: Sequence[Cached],
    objective: tuple[Term, ...],
    train: Train,
    start: Path,
    folder: Path,
) -> Course:
    resources = placement(work.job.resources, distilled=objective is not GOLD_ALONE)
    outputs = any(isinstance(term, Logits) for term in objective)
    unlabelled = checked.data.unlabelled if teaches(objective) else None
    return Course(
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


def _parts(work: Work, kind: Kind) -> list[Part]:
    """Where the progress of each course of a student belongs."""
    first = ["distilled, first"] if work.job.intermediate else []
    names = {"gold-only": ["gold-only"], "distilled": [*first, "distilled"]}
    every = [name for each in kinds(work) for name in names[each]]
    return [Part(Stage.DISTIL, name, every.index(name), len(every)) for name in names[kind]]


def source_of_start(work: Work, checked: Checked, taught: Sequence[Taught], kind: Kind) -> Path:
    """The model that the untrained student is made of: of several teachers the first.

    Gold-only cuts from what the teacher started from: layers of the fine-tuned teacher know its
    answers already, and would not be gold labels alone.
    """
    if checked.student is not None:
        return checked.student.folder
    return taught[0].teacher.folder if kind == "distilled" else taught[0].start


def _start(work: Work, checked: Checked, taught: Sequence[Taught], kind: Kind, into: Path) -> None:
    """The untrained student."""
    source = source_of_start(work, checked, taught, kind)
    output = find(work.job.task).output
    student(work.job.student, source, output, checked.data.labels, into, seed=work.job.train.seed)
