"""The validation loss and metric, shared out over the processes of a group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from alambique.distill.objective import objective_loss
from alambique.spec.objective import Term
from alambique.workers.training.batches import Batch, BatchOutputs, Collator
from alambique.workers.training.distributed import DistributedContext
from alambique.workers.training.example_windows import EvaluationSet, loss_normalizers
from alambique.workers.training.predictions import by_length


@dataclass(frozen=True, slots=True)
class Validation:
    """How good the network is on examples that it does not learn from."""

    loss: float
    """Cross entropy with the gold labels, a mean over rows; of a student that is taught by layers
    alone, the objective."""
    metric: float
    """The task's primary metric."""


BatchForward = Callable[[Batch, Sequence[Term]], BatchOutputs]
"""From a batch to what the networks give for it, as far as those terms compare it."""


@torch.no_grad()
def validate(
    forward: BatchForward,
    evaluation: EvaluationSet,
    collator: Collator,
    context: DistributedContext,
    terms: Sequence[Term],
) -> Validation:
    """Return the validation of the whole set, the same on every process.

    Each process takes whole examples, r, r + W, …, so that it can decode them. All take equally
    many steps, the last ones of a stand-in where need be: ZeRO 3 gathers the weights at every
    step, from all.

    Args:
        forward: the networks, with dropout off.
        evaluation: the validation examples.
        collator: makes their batches; its teachers are not asked for
            their outputs, with which a validation loss does not compare.
        context: this process.
        terms: what the loss is of.
    """
    mine = [each for each in evaluation.windows if each.example % context.world == context.rank]
    batches = list(by_length([each.length for each in mine], context.device))
    steps = max(context.gather(len(batches)))
    normalizers = loss_normalizers(evaluation.windows)
    collator = replace(collator, teachers=())
    loss = torch.zeros(1, dtype=torch.float64, device=context.device)
    metric = collator.kind.metric(evaluation, mine)
    for numbers in batches + [[]] * (steps - len(batches)):
        batch = collator.collate([mine[i] for i in numbers] or [None], evaluation.windows[0])
        outputs = forward(batch, terms)
        part = objective_loss(
            outputs.rows, terms, outputs.layers, normalizers=normalizers, progress=1.0
        )
        loss += part.total
        metric.add(numbers, outputs.logits_BNC, outputs.layers)
    return Validation(context.all_reduce_sum(loss.cpu()).item(), metric.compute(context))
