"""Stage 3: the students: distilled from the teacher, and on gold labels alone beside it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from alambique.models.folders import model_hash
from alambique.models.weights import weights_hash
from alambique.spec.job import Job
from alambique.spec.objective import Gold, Logits, Term, layered
from alambique.spec.outputs import Output
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
    work: Work, checked: Checked, taught: Taught, cached: Cached | None, kind: Kind, folder: Path
) -> Distilled:
    """One student, trained until patience or epochs end."""
    began = time.monotonic()
    start = whole(folder / "start", lambda into: _start(work, checked, taught, kind, into))
    maps: dict[str, LayerMap] = {}
    for training in _trainings(work.job, kind):
        course, chosen = _mapped(
            work, _course(work, checked, taught, cached, training, start, folder)
        )
        outcome = _run(work, course, training, kind)
        start, maps = course.best, maps | maps_of(course, chosen)
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
        course=course if find(work.job.task).output is Output.STATES else None,
    )
    return Distilled(students=(trained,))


def kinds(work: Work) -> tuple[Kind, ...]:
    """Which students the job trains, in their order."""
    return (*work.job.compare, "distilled")


def reads(
    work: Work, checked: Checked, taught: Taught, cached: Cached | None, kind: Kind
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
        begun = None if checked.student else model_hash(taught.start)
        return common | {"from": begun, "objective": GOLD_ALONE}
    outputs = namespace_of(cached.outputs, find(job.task)).digest if cached else None
    return (
        common
        | {"from": model_hash(taught.teacher.folder), "outputs": outputs}
        | {"objective": job.objective, "intermediate": job.intermediate}
    )


@dataclass(frozen=True, slots=True)
class _Training:
    """One of the trainings of a student, which go on from one another."""

    name: str
    objective: tuple[Term, ...]
    train: Train
    folder: str


def _trainings(job: Job, kind: Kind) -> tuple[_Training, ...]:
    last = _Training(kind, GOLD_ALONE, job.train, "run")
    if kind == "gold-only":
        return (last,)
    last = replace(last, objective=job.objective)
    if job.intermediate is None:
        return (last,)
    first = job.intermediate
    return (_Training(f"{kind}, first", first.objective, first.train, "first"), last)


def _mapped(work: Work, course: Course) -> tuple[Course, LayerMap | None]:
    """The course with a layer map that is chosen before the training, and that map."""
    if not needs_choosing(course.objective):
        return course, None
    chosen = _chosen(work, course)
    return course.model_copy(update={"objective": with_map(course.objective, chosen)}), chosen


def _run(work: Work, course: Course, training: _Training, kind: Kind) -> Outcome:
    """How a training ended."""
    names = [one.name for each in kinds(work) for one in _trainings(work.job, each)]
    part = Part(Stage.DISTIL, training.name, names.index(training.name), len(names))
    place = placement(work.job.resources, distilled=kind == "distilled")
    return run(work, course, part, place)


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
    taught: Taught,
    cached: Cached | None,
    training: _Training,
    start: Path,
    folder: Path,
) -> Course:
    terms = training.objective
    resources = placement(work.job.resources, distilled=terms is not GOLD_ALONE)
    outputs = any(isinstance(term, Logits) for term in terms)
    return Course(
        task=work.job.task,
        labels=checked.data.labels,
        start=start,
        training=checked.data.files["train"],
        validation=checked.data.files["dev"],
        train=training.train,
        objective=terms,
        teacher=cached.outputs if outputs and cached else None,
        beside=taught.teacher.folder if layered(terms) else None,
        zero=resources.zero if resources else None,
        folder=folder / training.folder,
    )


def _start(work: Work, checked: Checked, taught: Taught, kind: Kind, into: Path) -> None:
    """The untrained student.

    Gold-only cuts from what the teacher started from: layers of the fine-tuned teacher know its
    answers already, and would not be gold labels alone.
    """
    if checked.student is not None:
        source = checked.student.folder
    else:
        source = taught.teacher.folder if kind == "distilled" else taught.start
    output = find(work.job.task).output
    student(work.job.student, source, output, checked.data.labels, into, seed=work.job.train.seed)
