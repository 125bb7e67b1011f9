"""Stage 3: the students: distilled from the teacher, and on gold labels alone beside it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from alambique.models.folders import model_hash
from alambique.models.weights import weights_hash
from alambique.spec.job import Job
from alambique.spec.objective import Gold, Logits, Term, layered, taught
from alambique.spec.states import Stage
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.workers.files import put, whole
from alambique.workers.layer_maps import maps_of, needs_choosing, similar, with_map
from alambique.workers.records import Cached, Checked, Distilled, LayerMap, Taught, Trained
from alambique.workers.running import Part, placement, processes, run
from alambique.workers.starting import student
from alambique.workers.training.course import Course
from alambique.workers.training.loop import Outcome
from alambique.workers.training.material import namespace_of
from alambique.workers.work import Work

Kind = Literal["gold-only", "distilled"]

GOLD_ALONE = (Gold(),)
"""The objective of a student that has no teacher."""


def distil(
    work: Work,
    checked: Checked,
    teachers: Sequence[Taught],
    cached: Sequence[Cached],
    kind: Kind,
    folder: Path,
) -> Distilled:
    """One student, trained until patience or epochs end.

    Args:
        work: the job.
        checked: its data and models.
        teachers: all of them; the student begins with what the first one is, or began with.
        cached: their outputs; none where it does not learn from them.
        kind: which student.
        folder: where its training is kept.
    """
    began = time.monotonic()
    first = teachers[0]
    start = whole(folder / "start", lambda into: _start(work, checked, first, kind, into))
    maps: dict[str, LayerMap] = {}
    for training in _trainings(work.job, kind):
        course = _course(work, checked, first, cached, training, start, folder)
        outcome, met = _run(work, course, training, kind)
        start, maps = course.best, maps | met
    trained = Trained(
        name=kind,
        folder=course.best,
        weights=weights_hash(course.best),
        max_length=work.job.train.max_length,
        stride=work.job.train.stride,
        loss=outcome.best_loss,
        metric=outcome.metric,
        seconds=time.monotonic() - began,
        diverged=outcome.diverged,
        maps=maps,
    )
    return Distilled(students=(trained,))


def kinds(work: Work) -> tuple[Kind, ...]:
    """Which students the job trains, in their order."""
    return (*work.job.compare, "distilled")


def reads(
    work: Work, checked: Checked, teachers: Sequence[Taught], cached: Sequence[Cached], kind: Kind
) -> Mapping[str, Any]:
    """What a student depends on."""
    job, first = work.job, teachers[0]
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
        begun = None if checked.student else model_hash(first.start)
        return common | {"from": begun, "objective": GOLD_ALONE}
    unlabelled = checked.data.unlabelled
    return (
        common
        | {"from": model_hash(first.teacher.folder), "outputs": _outputs(job, cached)}
        | {"objective": job.objective, "intermediate": job.intermediate}
        | ({"unlabelled": unlabelled.hash} if unlabelled else {})
    )


def _outputs(job: Job, cached: Sequence[Cached]) -> Any:
    """The outputs that are learnt from; of one teacher its weight decides nothing."""
    task = find(job.task)
    each = [(namespace_of(one.outputs, task).digest, one.outputs.weight) for one in cached]
    if len(each) > 1:
        return each
    return each[0][0] if each else None


@dataclass(frozen=True, slots=True)
class _Training:
    """One of the trainings of a student, which go on from one another."""

    name: str
    """What people call it."""
    objective: tuple[Term, ...]
    train: Train
    folder: str
    field: str = ""
    """Of the job, that says it; the last one is said by the job itself."""


def _trainings(job: Job, kind: Kind) -> tuple[_Training, ...]:
    last = _Training(kind, GOLD_ALONE, job.train, "run")
    if kind == "gold-only":
        return (last,)
    last = replace(last, objective=job.objective)
    if job.intermediate is None:
        return (last,)
    first = job.intermediate
    begun = _Training(f"{kind}, first", first.objective, first.train, "first", "intermediate.")
    return (begun, last)


def _run(
    work: Work, course: Course, training: _Training, kind: Kind
) -> tuple[Outcome, dict[str, LayerMap]]:
    """How a training ended, and the layer maps that it was by."""
    chosen = _chosen(work, course) if needs_choosing(course.objective) else None
    if chosen is not None:
        course = course.model_copy(update={"objective": with_map(course.objective, chosen)})
    names = [one.name for each in kinds(work) for one in _trainings(work.job, each)]
    part = Part(Stage.DISTIL, training.name, names.index(training.name), len(names))
    place = placement(work.job.resources, distilled=kind == "distilled")
    outcome = run(work, course, part, place)
    maps = maps_of(course, chosen)
    return outcome, {f"{training.field}{term}": found for term, found in maps.items()}


def _chosen(work: Work, course: Course) -> LayerMap:
    """The map of layers that are alike, chosen once: a resumed training goes on with it."""
    path = course.folder / "map.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, similar(course).model_dump_json())
    chosen = LayerMap.model_validate_json(path.read_text())
    work.log(f"layers that are compared, by their likeness: {chosen.told}")
    return chosen


def _course(
    work: Work,
    checked: Checked,
    first: Taught,
    cached: Sequence[Cached],
    training: _Training,
    start: Path,
    folder: Path,
) -> Course:
    terms = training.objective
    resources = placement(work.job.resources, distilled=terms is not GOLD_ALONE)
    outputs = any(isinstance(term, Logits) for term in terms)
    unlabelled = checked.data.unlabelled if taught(terms) else None
    return Course(
        task=work.job.task,
        labels=checked.data.labels,
        start=start,
        training=checked.data.files["train"],
        validation=checked.data.files["dev"],
        train=training.train,
        objective=terms,
        unlabelled=unlabelled.file if unlabelled else None,
        teachers=tuple(one.outputs for one in cached) if outputs else (),
        beside=first.teacher.folder if layered(terms) else None,
        zero=resources.zero if resources else None,
        folder=folder / training.folder,
    )


def _start(work: Work, checked: Checked, first: Taught, kind: Kind, into: Path) -> None:
    """The untrained student, of the first teacher where it has no start of its own.

    Gold-only cuts from what the teacher started from: layers of the fine-tuned teacher know its
    answers already, and would not be gold labels alone.
    """
    if checked.student is not None:
        source = checked.student.folder
    else:
        source = first.teacher.folder if kind == "distilled" else first.start
    output = find(work.job.task).output
    student(work.job.student, source, output, checked.data.labels, into, seed=work.job.train.seed)
