"""How alike a student without a head is to its teacher, on text that it has not learnt from."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from alambique.models.distillation_model import DistillationModel
from alambique.models.networks import load
from alambique.spec.objective import intermediate_losses
from alambique.tasks.examples import Example
from alambique.workers.scoring import LoadedModel
from alambique.workers.training.batches import Batch
from alambique.workers.training.best_weights import read_projection_heads
from alambique.workers.training.distributed import SingleProcess
from alambique.workers.training.engines import forward
from alambique.workers.training.inputs import TrainingInputs
from alambique.workers.training.spec import TrainingSpec
from alambique.workers.training.target_windows import TargetWindow
from alambique.workers.training.validation import Answered, validate


def cka_score(
    examined: LoadedModel,
    course: TrainingSpec,
    examples: Sequence[Example],
    rows: Sequence[TargetWindow],
) -> dict[str, float]:
    """The score of the task, and the objective as at the end of the training.

    Args:
        examined: says what the student is fed.
        course: what it was trained by.
        examples: which it has not learnt from.
        rows: theirs.
    """
    task = examined.task
    material = TrainingInputs(
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
        partial(_answered, learner), material, SingleProcess(examined.device), course.objective
    )
    return {task.primary: found.metric, "objective": found.loss}


def taught_by(course: TrainingSpec) -> Path:
    """The folder of the teacher that the student was compared with."""
    assert course.live_teacher is not None  # it learns from layers alone
    return course.live_teacher


def _beside_its_teacher(examined: LoadedModel, course: TrainingSpec) -> DistillationModel:
    # loaded anew: watching its layers would take time from what measures the network's speed
    student, teacher = (
        load(folder, examined.task.output, examined.labels)
        for folder in (course.best, taught_by(course))
    )
    learner = DistillationModel(student, teacher, intermediate_losses(course.objective))
    learner.projection_heads.load_state_dict(read_projection_heads(course.projection_heads))
    return learner.to(examined.device).eval()


def _answered(learner: DistillationModel, batch: Batch) -> Answered:
    inputs = batch.inputs
    states_BND = forward(learner, inputs)
    inside = learner.layer_outputs(
        inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN, batch.weight_B
    )
    return states_BND, batch.compared(states_BND), inside
