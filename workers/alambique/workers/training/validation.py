"""The validation loss and metric, shared out over the processes of a group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alambique.distill.inside import Inside
from alambique.distill.objective import Whole, total
from alambique.distill.rows import Rows
from alambique.spec.objective import Term
from alambique.workers.training.answers import Answer, by_length
from alambique.workers.training.batches import Batch, batch_of
from alambique.workers.training.material import Material
from alambique.workers.training.place import Place
from alambique.workers.training.predictions import predictions_of
from alambique.workers.training.rows import Row, whole_of


@dataclass(frozen=True, slots=True)
class Validation:
    """How good the network is on examples that it does not learn from."""

    loss: float
    """Cross entropy with the gold labels, a mean over rows; of a student that is taught by layers
    alone, the objective."""
    metric: float
    """The task's primary metric."""


Answering = Callable[[Batch], tuple[Tensor, Rows, Inside | None]]
"""From a batch to the student's logits (B, N, C), and what the terms of an objective compare."""


def validate(
    answering: Answering, material: Material, place: Place, terms: Sequence[Term]
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
    answers, sums = _answered(answering, material, place, rows, terms)
    mine = predictions_of(material.task, material.examples, rows, answers, material.labels)
    predicted = place.gather(mine)
    everything = {number: prediction for part in predicted for number, prediction in part.items()}
    ordered = [everything[number] for number in range(len(material.examples))]
    scores = material.task.score(material.examples, ordered)
    return Validation(place.total(sums).item(), scores[material.task.primary])


def _answered(
    answering: Answering,
    material: Material,
    place: Place,
    rows: Sequence[Row],
    terms: Sequence[Term],
) -> tuple[list[Answer], Tensor]:
    """The logits of `rows`, and their part of the loss.

    All processes take equally many steps, the last ones empty where need be: ZeRO 3 gathers the
    weights at every step, from all.
    """
    batches = list(by_length(rows))
    steps = max(place.gather(len(batches)))
    answers: dict[int, Answer] = {}
    whole = whole_of(material.validation)
    summed = torch.zeros(1, dtype=torch.float64)
    for batch in batches + [[]] * (steps - len(batches)):
        logits_BNC, part = _step(answering, material, place, [rows[i] for i in batch], terms, whole)
        summed += part
        found = logits_BNC.float().cpu().numpy()
        answers |= {i: found[b, : rows[i].length] for b, i in enumerate(batch)}
    return [answers[i] for i in range(len(rows))], summed


@torch.no_grad()
def _step(
    answering: Answering,
    material: Material,
    place: Place,
    rows: Sequence[Row],
    terms: Sequence[Term],
    whole: Whole,
) -> tuple[Tensor, float]:
    batch = batch_of(
        rows or [None],
        material.validation[0],
        pad_id=material.pad_id,
        classes=len(material.labels),
        teachers=(),
        device=place.device,
    )
    logits_BNC, compared, inside = answering(batch)
    return logits_BNC, total(compared, terms, inside, whole=whole, done=1.0).total.item()
