"""How far a run has got, and the checkpoints that remember it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from alambique.workers.training.distributed import DistributedContext


@dataclass(frozen=True, slots=True)
class TrainerState:
    """Where a run stands. Its random state is a function of this: see `loop.seed_step`."""

    epoch: int = 0
    step: int = 0
    """Batches of this epoch that are done."""
    done: int = 0
    """Batches of the whole run that are done."""
    best_loss: float | None = None
    best_epoch: int | None = None
    best_metric: float | None = None
    """The primary metric of that epoch."""
    waited: int = 0
    """Epochs since the best one."""

    def after_step(self) -> "TrainerState":
        """One batch further."""
        return replace(self, step=self.step + 1, done=self.done + 1)

    def after_epoch(self, loss: float, metric: float) -> "TrainerState":
        """The next epoch, with the validation of this one."""
        better = self.best_loss is None or loss < self.best_loss
        return replace(
            self,
            epoch=self.epoch + 1,
            step=0,
            best_loss=loss if better else self.best_loss,
            best_epoch=self.epoch if better else self.best_epoch,
            best_metric=metric if better else self.best_metric,
            waited=0 if better else self.waited + 1,
        )


def save(
    folder: Path, position: TrainerState, write: Callable[[Path], None], place: DistributedContext
) -> None:
    """A checkpoint that is there whole or not at all; the one before it goes.

    Args:
        folder: of the run's checkpoints, seen by every process.
        position: what the checkpoint stands for.
        write: puts the engine's files into the folder it is given, on every process.
        place: this process.
    """
    unfinished = folder / f"unfinished-{position.done}-{position.epoch}"
    if place.rank == 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
    place.meet()
    write(unfinished)
    place.meet()
    if place.rank == 0:
        (unfinished / "position.json").write_text(json.dumps(asdict(position)))
        final = _named(folder, position)
        shutil.rmtree(final, ignore_errors=True)
        unfinished.rename(final)
        for other in _whole(folder):
            if other != final:
                shutil.rmtree(other)
    place.meet()


def latest(folder: Path) -> tuple[TrainerState, Path] | None:
    """The newest whole checkpoint, with its folder."""
    found = _whole(folder)
    if not found:
        return None
    content = json.loads((found[-1] / "position.json").read_text())
    return TrainerState(**content), found[-1]


def _named(folder: Path, position: TrainerState) -> Path:
    return folder / f"{position.done:09d}-{position.epoch:04d}"


def _whole(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.glob("[0-9]*-[0-9]*") if (path / "position.json").exists()
    )
