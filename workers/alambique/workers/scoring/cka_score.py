"""How well the states of a student without a head align with its teacher's, on unseen text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alambique.models.distillation_model import DistillationModel
from alambique.models.networks import load
from alambique.spec.objective import Term, intermediate_losses
from alambique.tasks.examples import Example
from alambique.workers.scoring.loaded_model import LoadedModel
from alambique.workers.training.batches import Batch, BatchOutputs, Collator, forward
from alambique.workers.training.checkpoints import read_projection_heads
from alambique.workers.training.distributed import SingleProcess
from alambique.workers.training.example_windows import EvaluationSet, ExampleWindow
from alambique.workers.training.kinds.all import kind_of
from alambique.workers.training.spec import TrainingSpec
from alambique.workers.training.validation import validate


def cka_score(
    student: LoadedModel,
    spec: TrainingSpec,
    examples: Sequence[Example],
    windows: Sequence[ExampleWindow],
) -> dict[str, float]:
    """Return the score of the task, and the objective as at the end of the training.

    Args:
        student: says what the student is fed.
        spec: what it was trained by.
        examples: which it has not learnt from.
        windows: theirs.
    """
    validation = validate(
        StudentAndTeacher.load(student, spec).forward,
        EvaluationSet(student.task, student.labels, examples, windows),
        Collator(
            kind=kind_of(student.task.output),
            pad_id=student.encoder.pad_id,
            teachers=(),
            device=student.device,
        ),
        SingleProcess(student.device),
        spec.objective,
    )
    return {student.task.primary: validation.metric, "objective": validation.loss}


def live_teacher_of(spec: TrainingSpec) -> Path:
    """Return the folder of the live teacher, which a student without a head always has."""
    assert spec.live_teacher is not None  # it learns from layers alone
    return spec.live_teacher


@dataclass(frozen=True, slots=True)
class StudentAndTeacher:
    """A trained student with its live teacher and what was trained beside it, dropout off."""

    model: DistillationModel

    @classmethod
    def load(cls, student: LoadedModel, spec: TrainingSpec) -> "StudentAndTeacher":
        """Load both networks anew: hooks on layers would slow what measures the student's speed."""
        network, teacher = (
            load(folder, student.task.output, student.labels)
            for folder in (spec.best, live_teacher_of(spec))
        )
        model = DistillationModel(network, teacher, intermediate_losses(spec.objective))
        model.projection_heads.load_state_dict(read_projection_heads(spec.projection_heads))
        return cls(model.to(student.device).eval())

    def forward(self, batch: Batch, terms: Sequence[Term]) -> BatchOutputs:
        """Return the student's states for a batch, and what the terms of its training compare."""
        inputs = batch.inputs
        states_BNC = forward(self.model, inputs)
        layers = self.model.layer_outputs(
            inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN, batch.weight_B
        )
        return BatchOutputs(states_BNC, batch.prediction_rows(states_BNC), layers)
