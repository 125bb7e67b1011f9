"""The validation loss and metric, shared out over the processes of a group."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alambique.distill.objective import total
from alambique.spec.objective import Gold
from alambique.workers.training.answers import Answer, by_length
from alambique.workers.training.batches import batch_of
from alambique.workers.training.engines import Engine
from alambique.workers.training.material import Material
from alambique.workers.training.place import Place
from alambique.workers.training.predictions import predictions_of
from alambique.workers.training.rows import Row


@dataclass(frozen=True, slots=True)
class Validation:
    """How good the network is on examples that it does not learn from."""

    loss: float
    """Cross entropy with the gold labels, a mean over rows."""
    metric: float
    """The task's primary metric."""


def validate(engine: Engine, material: Material, place: Place) -> Validation:
    """The validation of the whole set, the same on every process.

    Each process takes whole examples, r, r + W, …, so that it can decode them.
    """
    engine.mode(training=False)
    rows = [row for row in material.validation if row.example % place.world == place.rank]
    answers, sums = _answered(engine, material, place, rows)
    loss, weight = place.total(sums).tolist()
    mine = predictions_of(material.task, material.examples, rows, answers, material.labels)
    predicted = place.gather(mine)
    everything = {number: prediction for part in predicted for number, prediction in part.items()}
    ordered = [everything[number] for number in range(len(material.examples))]
    scores = material.task.score(material.examples, ordered)
    return Validation(loss / weight, scores[material.task.primary])


def _answered(
    engine: Engine, material: Material, place: Place, rows: Sequence[Row]
) -> tuple[list[Answer], Tensor]:
    """The logits of `rows`, and the sums of their losses and weights.

    All processes take equally many steps, the last ones empty where need be: ZeRO 3 gathers the
    weights at every step, from all.
    """
    batches = list(by_length(rows))
    steps = max(place.gather(len(batches)))
    answers: dict[int, Answer] = {}
    sums = torch.zeros(2, dtype=torch.float64)
    for batch in batches + [[]] * (steps - len(batches)):
        logits_BNC, part = _step(engine, material, place, [rows[i] for i in batch])
        sums += part
        found = logits_BNC.float().cpu().numpy()
        answers |= {i: found[b, : rows[i].length] for b, i in enumerate(batch)}
    return [answers[i] for i in range(len(rows))], sums


@torch.no_grad()
def _step(
    engine: Engine, material: Material, place: Place, rows: Sequence[Row]
) -> tuple[Tensor, Tensor]:
    batch = batch_of(
        rows or [None],
        material.validation[0],
        pad_id=material.pad_id,
        classes=len(material.labels),
        teacher=None,
        device=place.device,
    )
    logits_BNC = engine.logits(batch.inputs)
    loss = total(batch.compared(logits_BNC), [Gold()]).total.item()
    return logits_BNC, torch.tensor([loss, sum(row.weight for row in rows)], dtype=torch.float64)
