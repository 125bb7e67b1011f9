"""What torchrun starts in the tests: runs courses and writes down the loss of every step."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from alambique.workers.training.course import Course
from alambique.workers.training.group import join_group
from alambique.workers.training.loop import Run
from alambique.workers.training.place import placed
from alambique.workers.training.position import Position


class Recorded(Run):
    losses: tuple[float, ...] = ()

    def _step(self, batch: Sequence[int], position: Position) -> float:
        loss = super()._step(batch, position)
        self.losses = (*self.losses, loss)
        return loss


def record(path: Path) -> None:
    course = Course.model_validate_json(path.read_text())
    run = Recorded(course, placed())
    run.to_the_end()
    if placed().rank == 0:
        (course.folder / "losses.json").write_text(json.dumps(run.losses))


if __name__ == "__main__":
    torch.set_num_threads(1)
    join_group()
    for name in sys.argv[1:]:
        record(Path(name))
