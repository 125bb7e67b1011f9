"""Stage 3: the students: distilled from the teacher, and on gold labels alone beside it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from alambique.models.folders import model_hash
from alambique.models.weights import weights_hash
from alambique.spec.objective import Gold
from alambique.spec.states import Stage
from alambique.tasks.all import find
from alambique.workers.files import whole
from alambique.workers.records import Cached, Checked, Distilled, Taught, Trained
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
    taught: Taught,
    cached: Cached | None,
    kind: Kind,
    folder: Path,
    part: Part | None = None,
) -> Distilled:
    """One student, trained until patience or epochs end; `part` says where it is shown."""
    began = time.monotonic()
    start = whole(folder / "start", lambda into: _start(work, checked, taught, kind, into))
    course = course_of(work, checked, cached, kind, start)
    place = placement(work.job.resources, distilled=kind == "distilled")
    number, of = kinds(work).index(kind), len(kinds(work))
    outcome = run(work, course, part or Part(Stage.DISTIL, kind, number, of), place)
    return student_of(course, kind, outcome, time.monotonic() - began)


def student_of(course: Course, kind: Kind, outcome: Outcome, seconds: float) -> Distilled:
    """The student of a course that is over."""
    trained = Trained(
        name=kind,
        folder=course.best,
        weights=weights_hash(course.best),
        max_length=course.train.max_length,
        stride=course.train.stride,
        loss=outcome.best_loss,
        metric=outcome.metric,
        seconds=seconds,
        diverged=outcome.diverged,
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
        | {"objective": job.objective}
    )


def course_of(
    work: Work, checked: Checked, cached: Cached | None, kind: Kind, start: Path
) -> Course:
    """How a student is trained that begins with the network in `start`, in a folder beside it."""
    distilled = kind == "distilled"
    resources = placement(work.job.resources, distilled=distilled)
    return Course(
        task=work.job.task,
        labels=checked.data.labels,
        start=start,
        training=checked.data.files["train"],
        validation=checked.data.files["dev"],
        train=work.job.train,
        objective=work.job.objective if distilled else GOLD_ALONE,
        teacher=cached.outputs if distilled and cached else None,
        zero=resources.zero if resources else None,
        folder=start.parent / "run",
    )


def source_of_start(work: Work, checked: Checked, taught: Taught, kind: Kind) -> Path:
    """The model that the untrained student is made of.

    Gold-only cuts from what the teacher started from: layers of the fine-tuned teacher know its
    answers already, and would not be gold labels alone.
    """
    if checked.student is not None:
        return checked.student.folder
    return taught.teacher.folder if kind == "distilled" else taught.start


def _start(work: Work, checked: Checked, taught: Taught, kind: Kind, into: Path) -> None:
    """The untrained student."""
    source = source_of_start(work, checked, taught, kind)
    output = find(work.job.task).output
    student(work.job.student, source, output, checked.data.labels, into, seed=work.job.train.seed)
