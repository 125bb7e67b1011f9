"""The validation loss and metric, shared out over the processes of a group.

Shapes: B windows, N pieces, C classes, T tokens; Z columns of `similarity.moments`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alambique.distill.activations import LayerOutputs
from alambique.distill.objective import LossNormalizers, objective_loss
from alambique.distill.prediction_rows import PredictionRows
from alambique.distill.similarity import cka_of_moments, moments
from alambique.spec.objective import Term
from alambique.spec.outputs import Output
from alambique.workers.training.batches import Batch, batch_of
from alambique.workers.training.distributed import DistributedContext
from alambique.workers.training.inputs import TrainingInputs
from alambique.workers.training.logits import WindowLogits, by_length
from alambique.workers.training.predictions import decode_predictions
from alambique.workers.training.target_windows import TargetWindow, loss_normalizers


@dataclass(frozen=True, slots=True)
class Validation:
    """How good the network is on examples that it does not learn from."""

    loss: float
    """Cross entropy with the gold labels, a mean over rows; of a student that is taught by layers
    alone, the objective."""
    metric: float
    """The task's primary metric."""


Answered = tuple[Tensor, PredictionRows, LayerOutputs | None]
"""The student's logits (B, N, C) for a batch, and what the terms of an objective compare."""
Answering = Callable[[Batch], Answered]


@torch.no_grad()
def validate(
    answering: Answering, material: TrainingInputs, place: DistributedContext, terms: Sequence[Term]
) -> Validation:
    """The validation of the whole set, the same on every process.

    Each process takes whole examples, r, r + W, …, so that it can decode them.

    Args:
        answering: the network, with dropout off.
        material: its validation examples.
        place: this process.
        terms: what the loss is of.
    """
    rows = [row for row in material.validation if row.example % place.world == place.rank]
    loss = _Loss(terms, loss_normalizers(material.validation))
    if material.task.output is Output.STATES:
        return _alike(answering, material, place, rows, loss)
    answers, sums = _answered(answering, material, place, rows, loss)
    mine = decode_predictions(material.task, material.examples, rows, answers, material.labels)
    predicted = place.gather(mine)
    everything = {number: prediction for part in predicted for number, prediction in part.items()}
    ordered = [everything[number] for number in range(len(material.examples))]
    scores = material.task.score(material.examples, ordered)
    return Validation(place.total(sums).item(), scores[material.task.primary])


@dataclass(frozen=True, slots=True)
class _Loss:
    terms: Sequence[Term]
    whole: LossNormalizers

    def part(self, compared: PredictionRows, inside: LayerOutputs | None) -> float:
        """What a batch adds to the loss of the whole set."""
        return objective_loss(
            compared, self.terms, inside, normalizers=self.whole, progress=1.0
        ).total.item()


def _alike(
    answering: Answering,
    material: TrainingInputs,
    place: DistributedContext,
    rows: Sequence[TargetWindow],
    loss: _Loss,
) -> Validation:
    """Of networks without a head: the CKA of the last states of student and teacher.

    Exact over all tokens, whatever the number of processes: their moments add up.
    """
    summed, moments_ZZ, width = torch.zeros(1, dtype=torch.float64), torch.zeros(()), 0
    for _, (states_BNC, compared, inside) in _steps(answering, material, place, rows):
        assert inside is not None  # without a teacher beside it nothing would be learnt
        summed += loss.part(compared, inside)
        real_BN = inside.real_BN & (inside.weight_B > 0)[:, None]
        found_ZZ = moments(states_BNC[real_BN], inside.teacher_output_BNC[real_BN])
        moments_ZZ, width = moments_ZZ.to(found_ZZ) + found_ZZ, states_BNC.shape[2]
    return Validation(place.total(summed).item(), cka_of_moments(place.total(moments_ZZ), width))


def _answered(
    answering: Answering,
    material: TrainingInputs,
    place: DistributedContext,
    rows: Sequence[TargetWindow],
    loss: _Loss,
) -> tuple[list[WindowLogits], Tensor]:
    """The logits of `rows`, and their part of the loss."""
    answers: dict[int, WindowLogits] = {}
    summed = torch.zeros(1, dtype=torch.float64)
    for batch, (logits_BNC, compared, inside) in _steps(answering, material, place, rows):
        summed += loss.part(compared, inside)
        found = logits_BNC.float().cpu().numpy()
        answers |= {i: found[b, : rows[i].length] for b, i in enumerate(batch)}
    return [answers[i] for i in range(len(rows))], summed


def _steps(
    answering: Answering,
    material: TrainingInputs,
    place: DistributedContext,
    rows: Sequence[TargetWindow],
) -> Iterator[tuple[list[int], Answered]]:
    """The numbers of `rows` in batches, with what was answered to each.

    All processes take equally many steps, the last ones empty where need be: ZeRO 3 gathers the
    weights at every step, from all.
    """
    batches = list(by_length([row.length for row in rows], place.device))
    steps = max(place.gather(len(batches)))
    for numbers in batches + [[]] * (steps - len(batches)):
        batch = batch_of(
            [rows[i] for i in numbers] or [None],
            material.validation[0],
            pad_id=material.pad_id,
            classes=len(material.labels),
            teachers=(),
            device=place.device,
        )
        yield numbers, answering(batch)
