"""The training loop: a function of a course and of this process's place, and of nothing else."""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from alambique.distill.activations import LayerOutputs
from alambique.distill.objective import LossTerms, objective_loss
from alambique.distill.prediction_rows import PredictionRows
from alambique.spec.errors import Diverged
from alambique.spec.objective import (
    Gold,
    Term,
    at_highest_weight,
    has_output_loss,
    intermediate_losses,
)
from alambique.workers.files import write_text
from alambique.workers.training import checkpoints as checkpoints
from alambique.workers.training.batch_plan import epoch_batches, micro_batches, share
from alambique.workers.training.batches import Batch, batch_of
from alambique.workers.training.best_weights import write_best
from alambique.workers.training.checkpoints import TrainerState
from alambique.workers.training.distributed import DistributedContext
from alambique.workers.training.engines import Engine, engine_for
from alambique.workers.training.inputs import load_inputs
from alambique.workers.training.progress import Progress, ProgressFile
from alambique.workers.training.result import TrainingResult
from alambique.workers.training.schedule import rate
from alambique.workers.training.spec import TrainingSpec
from alambique.workers.training.target_windows import TargetWindow, loss_normalizers
from alambique.workers.training.validation import Validation, validate


@dataclass(frozen=True, slots=True)
class StepLosses:
    """The loss of a step, and of each term of the objective by itself."""

    total: float
    parts: dict[str, float] = field(default_factory=dict)


def nobody(_: TrainerState) -> None:
    """Is told, and does nothing."""


def train(
    course: TrainingSpec,
    place: DistributedContext,
    told: Callable[[TrainerState], None] = nobody,
    *,
    redis: str | None = None,
) -> TrainingResult:
    """Trains from where the course's folder says the run stands, until it is over.

    Every process of the group calls it with the same course. The same course gives the same
    weights; how many processes share it changes them by rounding alone (dropout off).

    Args:
        course: what to do.
        place: this process.
        told: called after each epoch that another one follows, by every process with the same
            position, of which there is a checkpoint; of a run that goes on, after the last epoch
            before too. It may never return.
        redis: the URL of the shared tier of teacher outputs.

    Raises:
        Diverged: a loss stopped being finite before any epoch was over.
    """
    return TrainingLoop(course, place, told, redis=redis).to_the_end()


class TrainingLoop:
    """One training run in one process."""

    def __init__(
        self,
        course: TrainingSpec,
        place: DistributedContext,
        told: Callable[[TrainerState], None] = nobody,
        *,
        redis: str | None = None,
    ) -> None:
        self._course = course
        self._place = place
        self._told = told
        self._learner, self._material = load_inputs(course, place, redis)
        self._engine: Engine = engine_for(self._learner, course.train, course.zero, place)
        self._progress = ProgressFile(course.progress)

    def to_the_end(self) -> TrainingResult:
        """All epochs that are left, unless patience ends first or a loss is not finite."""
        position = self._resumed()
        if position.best_loss is not None and not self._over(position):
            self._told(position)  # perhaps nobody heard of it before the kill
        while not self._over(position):
            try:
                position = self._epoch(position)
            except Diverged:
                if position.best_loss is None:
                    raise
                return self._left(position, diverged=True)
            if not self._over(position):
                self._told(position)
        return self._left(position, diverged=False)

    def _batches(self, position: TrainerState) -> list[list[int]]:
        """The global batches that are left of an epoch: no more than are left of the run."""
        batches = epoch_batches(self._lengths, self._course.train, position.epoch)
        return batches[position.step :][: self._steps - position.done]

    @cached_property
    def _lengths(self) -> list[int]:
        return [row.length for row in self._material.training]

    @property
    def _steps(self) -> int:
        """Of the whole run."""
        return self._material.steps

    @cached_property
    def _patience(self) -> float:
        """Passes over the examples without a lower validation loss after which the run stops.

        A run that keeps pace with others has shorter epochs than those: it stops no sooner.
        """
        train = self._course.train
        if not self._course.pace:
            return train.patience
        own = len(epoch_batches(self._lengths, train, 0))
        return train.patience * max(1.0, self._steps / (train.epochs * own))

    def _resumed(self) -> TrainerState:
        found = checkpoints.latest(self._checkpoints)
        if found is None:
            return TrainerState()
        position, folder = found
        self._engine.load(folder)
        return position

    def _over(self, position: TrainerState) -> bool:
        # after the last step comes its validation, which begins the next epoch at step 0
        finished = position.done >= self._steps and position.step == 0
        return finished or position.waited >= self._patience

    def _epoch(self, position: TrainerState) -> TrainerState:
        """The rest of an epoch, its validation, and the checkpoint after it."""
        loss: StepLosses | None = None
        for batch in self._batches(position):
            loss = self._step(batch, position)
            position = position.after_step()
            self._report(position, loss)
            if position.done % self._course.train.checkpoint == 0:
                self._keep(position)
        self._engine.mode(training=False)
        answering = partial(self._answered, terms=self._graded)
        validation = validate(answering, self._material, self._place, self._graded)
        if not math.isfinite(validation.loss):
            raise Diverged(f"the validation loss of epoch {position.epoch + 1} is not finite")
        after = position.after_epoch(validation.loss, validation.metric)
        if after.waited == 0:
            self._write_best()
        self._keep(after)
        self._report(after, loss, validation)
        return after

    def _step(self, batch: Sequence[int], position: TrainerState) -> StepLosses:
        """One step on a global batch; gives the loss over all of it."""
        seed_step(self._course.train.seed, position.done, self._place.rank)
        rows = [self._material.training[i] for i in batch]
        mine = share(range(len(rows)), self._place.rank, self._place.world)
        seen: list[LossTerms] = []
        self._engine.mode(training=True)
        self._engine.learn(self._losses(rows, mine, position, seen), self._rate(position))
        loss = self._mean(seen)
        if not math.isfinite(loss.total):
            raise Diverged(
                f"the loss became {loss.total} at step {position.done + 1}: lower "
                "train.learning_rate or raise train.warmup"
            )
        return loss

    def _losses(
        self,
        rows: Sequence[TargetWindow],
        mine: Sequence[int | None],
        position: TrainerState,
        seen: list[LossTerms],
    ) -> Iterator[Tensor]:
        """This process's part of the loss, a micro-batch at a time; `seen` remembers them.

        The engines average over processes, hence the factor W: the mean is over the whole batch.
        """
        whole, done = loss_normalizers(rows), position.done / self._steps
        for piece in micro_batches(mine, self._course.train.accumulate):
            batch = self._batch([None if i is None else rows[i] for i in piece], rows[0])
            _, compared, inside = self._answered(batch, self._course.objective)
            part = objective_loss(
                compared, self._course.objective, inside, normalizers=whole, progress=done
            )
            seen.append(LossTerms(part.total.detach(), part.parts))
            yield part.total * self._place.world

    def _mean(self, seen: Sequence[LossTerms]) -> StepLosses:
        """The loss of a step over all processes, and each of its terms."""
        kinds = list(seen[0].parts)
        mine = torch.stack(
            [torch.stack([one.total, *(one.parts[kind] for kind in kinds)]) for one in seen]
        )
        whole, *parts = self._place.total(mine.sum(0).cpu()).tolist()
        return StepLosses(whole, dict(zip(kinds, parts, strict=True)))

    def _batch(self, rows: Sequence[TargetWindow | None], stand_in: TargetWindow) -> Batch:
        return batch_of(
            rows,
            stand_in,
            pad_id=self._material.pad_id,
            classes=len(self._course.labels),
            teachers=self._material.teachers,
            device=self._place.device,
        )

    def _answered(
        self, batch: Batch, terms: Sequence[Term]
    ) -> tuple[Tensor, PredictionRows, LayerOutputs | None]:
        """The student's logits for a batch, and what these terms compare."""
        logits_BNC = self._engine.logits(batch.inputs)
        inputs = batch.inputs
        if not intermediate_losses(terms):
            return logits_BNC, batch.compared(logits_BNC), None
        with torch.autocast(self._place.device.type, torch.bfloat16, enabled=self._bf16):
            inside = self._learner.layer_outputs(
                inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN, batch.weight_B
            )
        return logits_BNC, batch.compared(logits_BNC), inside

    @property
    def _bf16(self) -> bool:
        return self._course.train.precision == "bf16"

    @property
    def _graded(self) -> tuple[Term, ...]:
        """What the validation loss is of: gold labels, where outputs are learnt at all."""
        objective = self._course.objective
        return (Gold(),) if has_output_loss(objective) else tuple(map(at_highest_weight, objective))

    def _rate(self, position: TrainerState) -> float:
        train = self._course.train
        return rate(
            position.done,
            self._steps,
            peak=train.learning_rate,
            warmup=train.warmup,
            shape=train.schedule,
        )

    @property
    def _checkpoints(self) -> Path:
        return self._course.folder / "checkpoints"

    def _keep(self, position: TrainerState) -> None:
        checkpoints.save(self._checkpoints, position, self._engine.save, self._place)

    def _write_best(self) -> None:
        state = self._engine.weights()
        if self._place.rank == 0:
            assert state is not None
            write_best(self._course, state, self._learner.network)
        self._place.meet()

    def _report(
        self, position: TrainerState, loss: StepLosses | None, found: Validation | None = None
    ) -> None:
        if self._place.rank == 0:
            self._progress.write(
                Progress(
                    epoch=position.epoch,
                    done=position.done,
                    total=self._steps,
                    loss=loss.total if loss else None,
                    terms=loss.parts if loss else {},
                    validation=found.loss if found else None,
                    metric=found.metric if found else None,
                )
            )

    def _left(self, position: TrainerState, *, diverged: bool) -> TrainingResult:
        """The outcome, written down for whoever started the run; checkpoints have served."""
        assert position.best_loss is not None
        assert position.best_epoch is not None
        assert position.best_metric is not None
        outcome = TrainingResult(
            epochs=position.epoch,
            steps=position.done - position.step,
            best_epoch=position.best_epoch,
            best_loss=position.best_loss,
            metric=position.best_metric,
            diverged=diverged,
        )
        if self._place.rank == 0:
            write_text(self._course.outcome, json.dumps(asdict(outcome)))
            shutil.rmtree(self._checkpoints, ignore_errors=True)
        self._place.meet()
        return outcome


def seed_step(seed: int, done: int, rank: int) -> None:
    """Sets the random state of a step from its number: a resumed run draws what it would have."""
    torch.manual_seed((seed * 1_000_003 + done) * 1_009 + rank)
