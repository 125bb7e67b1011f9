"""What a run leaves on disk to go on from: its checkpoints, and its best weights."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from alambique.models.distillation_model import (
    learned_layer_maps,
    projection_head_weights,
    student_weights,
)
from alambique.models.networks import Network, write
from alambique.spec.errors import BadModel
from alambique.workers.files import replace_folder, write_text
from alambique.workers.training.distributed import DistributedContext
from alambique.workers.training.spec import TrainingSpec

_STATE = "trainer_state.json"
"""Written last into a checkpoint: a folder without it is not whole."""


@dataclass(frozen=True, slots=True)
class TrainerState:
    """How far a run has got. Its random state is a function of this: see `loop.seed_step`."""

    epoch: int = 0
    step: int = 0
    """Batches of this epoch that are done."""
    done: int = 0
    """Batches of the whole run that are done."""
    best_loss: float | None = None
    """The lowest validation loss; None: no epoch is over."""
    best_epoch: int | None = None
    best_metric: float | None = None
    """The primary metric of that epoch."""
    epochs_without_improvement: int = 0
    """Epochs since the best one."""

    def after_step(self) -> "TrainerState":
        """Return the state one batch further."""
        return replace(self, step=self.step + 1, done=self.done + 1)

    def after_epoch(self, loss: float, metric: float) -> "TrainerState":
        """Return the state at the beginning of the next epoch.

        Args:
            loss: the validation loss of this epoch.
            metric: its primary metric.
        """
        better = self.best_loss is None or loss < self.best_loss
        return replace(
            self,
            epoch=self.epoch + 1,
            step=0,
            best_loss=loss if better else self.best_loss,
            best_epoch=self.epoch if better else self.best_epoch,
            best_metric=metric if better else self.best_metric,
            epochs_without_improvement=0 if better else self.epochs_without_improvement + 1,
        )


def save_checkpoint(
    folder: Path,
    state: TrainerState,
    save: Callable[[Path], None],
    context: DistributedContext,
) -> None:
    """Write a checkpoint that is there whole or not at all, and remove the one before it.

    Args:
        folder: of the run's checkpoints, seen by every process.
        state: what the checkpoint stands for.
        save: puts the engine's files into the folder it is given, on every process.
        context: this process.
    """
    unfinished = folder / f"unfinished-{state.done}-{state.epoch}"
    if context.rank == 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
    context.barrier()
    save(unfinished)
    context.barrier()
    if context.rank == 0:
        (unfinished / _STATE).write_text(json.dumps(asdict(state)))
        final = folder / f"{state.done:09d}-{state.epoch:04d}"
        shutil.rmtree(final, ignore_errors=True)
        unfinished.rename(final)
        for other in _whole_checkpoints(folder):
            if other != final:
                shutil.rmtree(other)
    context.barrier()


def latest_checkpoint(folder: Path) -> tuple[TrainerState, Path] | None:
    """Return the state of the newest whole checkpoint, and its folder."""
    checkpoints = _whole_checkpoints(folder)
    if not checkpoints:
        return None
    content = json.loads((checkpoints[-1] / _STATE).read_text())
    return TrainerState(**content), checkpoints[-1]


def _whole_checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*-[0-9]*") if (path / _STATE).exists())


def write_best(spec: TrainingSpec, state: Mapping[str, Tensor], student: Network) -> None:
    """Write the weights as a folder that `transformers` loads; whole or not at all.

    Args:
        spec: says where.
        state: the weights of the distillation model, gathered on one process.
        student: the network of the distillation model.
    """
    if maps := learned_layer_maps(state):
        write_text(spec.learned_maps, json.dumps(maps))
    # written even if there are no projection heads: a missing file is an error
    if spec.live_teacher is not None:
        unfinished = spec.projection_heads.with_suffix(".new")
        save_file(projection_head_weights(state), unfinished)
        unfinished.replace(spec.projection_heads)
    weights = student_weights(state)
    replace_folder(
        spec.best, lambda into: write(weights, like=student, folder=into, tokenizer=spec.start)
    )


def read_projection_heads(path: Path) -> dict[str, Tensor]:
    """Return the weights of the projection heads and layer maps that a run has trained, by name.

    Raises:
        BadModel: the file is missing.
    """
    if not path.exists():
        raise BadModel(
            f"{path} is missing, the projection heads of the student in that folder: post the job "
            "with `fresh: true`, and it is trained again"
        )
    return load_file(path)
