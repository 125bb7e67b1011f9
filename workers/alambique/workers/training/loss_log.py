"""The losses of steps, which stay on the device until they are read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alambique.distill.objective import LossTerms
from alambique.spec.errors import Diverged
from alambique.workers.training.distributed import DistributedContext

READ_EVERY = 20
"""Steps whose losses are read together. A reading waits for the device and for all processes: one
in 20 steps costs next to nothing, and a run whose loss is no longer finite ends within 20 steps."""


@dataclass(frozen=True, slots=True)
class StepLosses:
    """The loss of a step on one process's part of the batch, and each term of the objective."""

    terms: tuple[str, ...]
    values: Tensor
    """(1 + terms,): the loss, then each term before its weight; on the device."""

    @classmethod
    def of(cls, micro_batches: Sequence[LossTerms]) -> "StepLosses":
        """Return the sums over micro-batches."""
        terms = tuple(micro_batches[0].parts)
        values = [
            torch.stack([loss.total, *(loss.parts[term] for term in terms)])
            for loss in micro_batches
        ]
        return cls(terms, torch.stack(values).sum(0))


@dataclass(frozen=True, slots=True)
class MeanLosses:
    """The loss of a step over the whole batch, and each term of the objective."""

    total: float
    terms: dict[str, float]


class LossLog:
    """The losses of the steps that this process takes.

    Attributes:
        last: the losses of the last step that was read; None: of none.
    """

    def __init__(self, context: DistributedContext) -> None:
        """Begin without losses; all processes of the context use their logs alike."""
        self.last: MeanLosses | None = None
        self._context = context
        self._unread: list[StepLosses] = []

    @property
    def is_due(self) -> bool:
        """Whether it is time to read: `READ_EVERY` steps are unread, or this process has read none.

        The first one is read at once, so that whoever watches the run sees a loss.
        """
        return self.last is None or len(self._unread) >= READ_EVERY

    def append(self, losses: StepLosses) -> None:
        """Take in the losses of a step, without waiting for them."""
        self._unread.append(losses)

    def read(self, done: int) -> None:
        """Wait for the losses of all steps so far, and add up those of all processes.

        Args:
            done: the steps of the whole run that are done.

        Raises:
            Diverged: one of them is not finite.
        """
        if not self._unread:
            return
        first = done - len(self._unread) + 1
        mine = torch.stack([losses.values for losses in self._unread])
        terms = self._unread[-1].terms
        self._unread.clear()
        for step, (total, *parts) in enumerate(
            self._context.all_reduce_sum(mine.cpu()).tolist(), start=first
        ):
            if not math.isfinite(total):
                raise Diverged(
                    f"the loss became {total} at step {step}: lower "
                    "train.learning_rate or raise train.warmup"
                )
            self.last = MeanLosses(total, dict(zip(terms, parts, strict=True)))
