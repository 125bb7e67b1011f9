"""How alike a student without a head is to its teacher, on text that it has not learnt from."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from alambique.models.learner import Learner
from alambique.models.networks import load
from alambique.spec.objective import layered
from alambique.tasks.examples import Example
from alambique.workers.testing import Examined
from alambique.workers.training.batches import Batch
from alambique.workers.training.best import bridges_in
from alambique.workers.training.course import Course
from alambique.workers.training.engines import called
from alambique.workers.training.material import Material
from alambique.workers.training.place import Alone
from alambique.workers.training.rows import Row
from alambique.workers.training.validation import Answered, validate


def likeness(
    examined: Examined, course: Course, examples: Sequence[Example], rows: Sequence[Row]
) -> dict[str, float]:
    """The score of the task, and the objective as at the end of the training.

    Args:
        examined: says what the student is fed.
        course: what it was trained by.
        examples: which it has not learnt from.
        rows: theirs.
    """
    task = examined.task
    material = Material(
        task=task,
        labels=examined.labels,
        pad_id=examined.encoder.pad_id,
        training=[],
        steps=0,
        examples=list(examples),
        validation=list(rows),
        teachers=(),
    )
    learner = _beside_its_teacher(examined, course)
    found = validate(
        partial(_answered, learner), material, Alone(examined.device), course.objective
    )
    return {task.primary: found.metric, "objective": found.loss}


def taught_by(course: Course) -> Path:
    """The folder of the teacher that the student was compared with."""
    assert course.beside is not None  # it learns from layers alone
    return course.beside


def _beside_its_teacher(examined: Examined, course: Course) -> Learner:
    # loaded anew: watching its layers would take time from what measures the network's speed
    student, teacher = (
        load(folder, examined.task.output, examined.labels)
        for folder in (course.best, taught_by(course))
    )
    learner = Learner(student, teacher, layered(course.objective))
    learner.bridges.load_state_dict(bridges_in(course.bridges))
    return learner.to(examined.device).eval()


def _answered(learner: Learner, batch: Batch) -> Answered:
    inputs = batch.inputs
    states_BND = called(learner, inputs)
    inside = learner.inside(
        inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN, batch.weight_B
    )
    return states_BND, batch.compared(states_BND), inside
