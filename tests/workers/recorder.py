"""Runs that remember the loss of every step; torchrun starts this file in the tests."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from alambique.workers.training.checkpoints import TrainerState
from alambique.workers.training.distributed import (
    DistributedContext,
    distributed_context,
    join_group,
)
from alambique.workers.training.loop import TrainingLoop
from alambique.workers.training.loss_log import StepLosses
from alambique.workers.training.spec import TrainingSpec


class Recorded(TrainingLoop):
    """A run with the losses of the steps it has done.

    Args:
        training_spec: what to run.
        context: this process.
        stop_at: the step, from 0, before which the run is broken off, on every process alike.
        before: called before each step, with the network and the number of the step.
    """

    def __init__(
        self,
        training_spec: TrainingSpec,
        context: DistributedContext,
        *,
        stop_at: int | None = None,
        before: Callable[[nn.Module, int], None] = lambda network, step: None,
    ) -> None:
        super().__init__(training_spec, context)
        self.losses: list[float] = []
        self._stop_at = stop_at
        self._before = before

    def step(self, batch: Sequence[int], state: TrainerState) -> StepLosses:
        """A step as ever, whose loss over all processes is remembered."""
        if state.done == self._stop_at:
            raise KeyboardInterrupt
        self._before(self.model.network, state.done)
        losses = super().step(batch, state)
        self.losses.append(self.context.all_reduce_sum(losses.values.cpu().clone())[0].item())
        return losses


def record(path: Path, stop_at: int | None) -> None:
    """Runs the training of a file; where there is a step to stop at, only on from there is told."""
    training_spec = TrainingSpec.model_validate_json(path.read_text())
    if stop_at is not None:
        with suppress(KeyboardInterrupt):
            Recorded(training_spec, distributed_context(), stop_at=stop_at).run()
    run = Recorded(training_spec, distributed_context())
    run.run()
    if distributed_context().rank == 0:
        (training_spec.folder / "losses.json").write_text(json.dumps(run.losses))


if __name__ == "__main__":
    torch.set_num_threads(1)
    join_group()
    for argument in sys.argv[1:]:
        name, _, step = argument.partition("@")
        record(Path(name), int(step) if step else None)
