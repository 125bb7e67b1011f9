"""The training loop: a function of a training's spec and of this process, and of nothing else."""

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from alambique.distill.objective import LossTerms, objective_loss
from alambique.spec.errors import Diverged
from alambique.spec.objective import (
    Gold,
    Term,
    at_highest_weight,
    has_output_loss,
    intermediate_losses,
)
from alambique.workers.files import write_text
from alambique.workers.training.batches import Batch, BatchOutputs
from alambique.workers.training.checkpoints import (
    TrainerState,
    latest_checkpoint,
    save_checkpoint,
    write_best,
)
from alambique.workers.training.distributed import DistributedContext
from alambique.workers.training.engines import Engine, make_engine
from alambique.workers.training.example_windows import loss_normalizers
from alambique.workers.training.inputs import load_inputs
from alambique.workers.training.loss_log import LossLog, StepLosses
from alambique.workers.training.progress import Progress, ProgressFile
from alambique.workers.training.schedule import (
    epoch_batches,
    learning_rate,
    micro_batches,
    share,
)
from alambique.workers.training.spec import TrainingResult, TrainingSpec
from alambique.workers.training.validation import Validation, validate

OnEpochEnd = Callable[[TrainerState], None]


def train(
    spec: TrainingSpec,
    context: DistributedContext,
    on_epoch_end: OnEpochEnd | None = None,
    *,
    redis: str | None = None,
) -> TrainingResult:
    """Train from where the spec's folder says the run stands, until it is over.

    Every process of the group calls it with the same spec. The same spec gives the same weights;
    how many processes share it changes them by rounding alone (dropout off).

    Args:
        spec: what to do.
        context: this process.
        on_epoch_end: called after each epoch that another one follows, by every process with the
            same state, of which there is a checkpoint; where a run is resumed, for the last epoch
            before that too. It may never return.
        redis: the URL of the shared tier of teacher outputs.

    Raises:
        Diverged: a loss stopped being finite before any epoch was over.
    """
    return TrainingLoop(spec, context, on_epoch_end, redis=redis).run()


class TrainingLoop:
    """One training run in one process.

    Attributes:
        model: the student with its projection heads and layer maps, and a live teacher if there is
            one; the engine holds it.
        context: this process.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        context: DistributedContext,
        on_epoch_end: OnEpochEnd | None = None,
        *,
        redis: str | None = None,
    ) -> None:
        """Load what the run needs; arguments as those of `train`."""
        self.context = context
        self.model, self._inputs = load_inputs(spec, context, redis)
        self._spec = spec
        self._engine: Engine = make_engine(self.model, spec.train, spec.zero, context)
        self._lengths = [each.length for each in self._inputs.windows]
        self._patience = self._scaled_patience()
        self._losses = LossLog(context)
        self._progress = ProgressFile(spec.progress)
        self._on_epoch_end = on_epoch_end
        # the validation loss is of gold labels, where outputs are learnt at all
        objective = spec.objective
        self._validation_terms: tuple[Term, ...] = (
            (Gold(),) if has_output_loss(objective) else tuple(map(at_highest_weight, objective))
        )

    def run(self) -> TrainingResult:
        """Train for all epochs that are left, unless patience or a loss ends the run before."""
        state = self._resume()
        if state.best_loss is not None:
            self._announce(state)  # perhaps it was killed before anybody heard
        while not self._is_over(state):
            try:
                state = self._run_epoch(state)
            except Diverged:
                if state.best_loss is None:
                    raise
                return self._finish(state, diverged=True)
            self._announce(state)
        return self._finish(state, diverged=False)

    def _run_epoch(self, state: TrainerState) -> TrainerState:
        """Take the steps that are left of an epoch, validate, and write a checkpoint."""
        self._engine.train_mode()
        for batch in self._remaining_batches(state):
            self._losses.append(self.step(batch, state))
            state = state.after_step()
            is_checkpoint = state.done % self._spec.train.checkpoint == 0
            if is_checkpoint or self._losses.is_due:
                self._losses.read(state.done)
            self._report(state)
            if is_checkpoint:  # its losses are read: no state after one that is not finite is kept
                self._save(state)
        self._losses.read(state.done)
        validation = self._validate(state)
        state = state.after_epoch(validation.loss, validation.metric)
        if state.epochs_without_improvement == 0:
            self._write_best()
        self._save(state)
        self._report(state, validation)
        return state

    def step(self, batch: Sequence[int], state: TrainerState) -> StepLosses:
        """Take one optimizer step; return its losses, which are still on the device.

        Args:
            batch: the numbers of the windows of the global batch.
            state: as before the step.
        """
        seed_step(self._spec.train.seed, state.done, self.context.rank)
        windows = [self._inputs.windows[i] for i in batch]
        normalizers = loss_normalizers(windows)
        objective, fraction_done = self._spec.objective, state.done / self._inputs.steps
        losses: list[LossTerms] = []
        mine = share(windows, self.context.rank, self.context.world)
        for piece in micro_batches(mine, self._spec.train.accumulate):
            outputs = self.forward(self._inputs.collator.collate(piece, windows[0]), objective)
            loss = objective_loss(
                outputs.rows,
                objective,
                outputs.layers,
                normalizers=normalizers,
                progress=fraction_done,
            )
            # engines average over processes, and the mean is one over the whole batch
            self._engine.backward(loss.total * self.context.world)
            losses.append(LossTerms(loss.total.detach(), loss.parts))
        self._engine.step(self._learning_rate(state))
        return StepLosses.of(losses)

    def forward(self, batch: Batch, terms: Sequence[Term]) -> BatchOutputs:
        """Return the student's logits for a batch, and what these terms compare."""
        logits_BNC = self._engine.forward(batch.inputs)
        layers = None
        if intermediate_losses(terms):
            inputs, bf16 = batch.inputs, self._spec.train.precision == "bf16"
            with torch.autocast(self.context.device.type, torch.bfloat16, enabled=bf16):
                layers = self.model.layer_outputs(
                    inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN, batch.weight_B
                )
        return BatchOutputs(logits_BNC, batch.prediction_rows(logits_BNC), layers)

    def _remaining_batches(self, state: TrainerState) -> list[list[int]]:
        """Return the global batches left of an epoch: no more than are left of the run."""
        batches = epoch_batches(self._lengths, self._spec.train, state.epoch)
        return batches[state.step :][: self._inputs.steps - state.done]

    def _learning_rate(self, state: TrainerState) -> float:
        train = self._spec.train
        return learning_rate(
            state.done,
            self._inputs.steps,
            peak=train.learning_rate,
            warmup=train.warmup,
            shape=train.schedule,
        )

    def _validate(self, state: TrainerState) -> Validation:
        self._engine.eval_mode()
        inputs = self._inputs
        validation = validate(
            self.forward, inputs.validation, inputs.collator, self.context, self._validation_terms
        )
        if not math.isfinite(validation.loss):
            raise Diverged(f"the validation loss of epoch {state.epoch + 1} is not finite")
        return validation

    def _scaled_patience(self) -> float:
        """Return the epochs without a lower validation loss after which the run stops.

        A run with step budgets may have shorter epochs than their trainings: more of them make up
        for that.
        """
        train = self._spec.train
        if not self._spec.step_budgets:
            return train.patience
        own = len(epoch_batches(self._lengths, train, 0))
        return train.patience * max(1.0, self._inputs.steps / (train.epochs * own))

    def _is_over(self, state: TrainerState) -> bool:
        # after the last step comes its validation, which begins the next epoch at step 0
        all_done = state.done >= self._inputs.steps and state.step == 0
        return all_done or state.epochs_without_improvement >= self._patience

    def _announce(self, state: TrainerState) -> None:
        if self._on_epoch_end is not None and not self._is_over(state):
            self._on_epoch_end(state)

    @property
    def _checkpoints(self) -> Path:
        return self._spec.folder / "checkpoints"

    def _resume(self) -> TrainerState:
        checkpoint = latest_checkpoint(self._checkpoints)
        if checkpoint is None:
            return TrainerState()
        state, folder = checkpoint
        self._engine.load(folder)
        return state

    def _save(self, state: TrainerState) -> None:
        save_checkpoint(self._checkpoints, state, self._engine.save, self.context)

    def _write_best(self) -> None:
        weights = self._engine.weights()
        if self.context.rank == 0:
            assert weights is not None
            write_best(self._spec, weights, self.model.network)
        self.context.barrier()

    def _report(self, state: TrainerState, validation: Validation | None = None) -> None:
        if self.context.rank == 0:
            losses = self._losses.last
            self._progress.write(
                Progress(
                    epoch=state.epoch,
                    done=state.done,
                    total=self._inputs.steps,
                    loss=losses.total if losses else None,
                    terms=losses.terms if losses else {},
                    validation=validation.loss if validation else None,
                    metric=validation.metric if validation else None,
                )
            )

    def _finish(self, state: TrainerState, *, diverged: bool) -> TrainingResult:
        """Write the result for whoever started the run, and remove its checkpoints."""
        assert state.best_loss is not None
        assert state.best_epoch is not None
        assert state.best_metric is not None
        result = TrainingResult(
            epochs=state.epoch,
            steps=state.done - state.step,
            best_epoch=state.best_epoch,
            best_loss=state.best_loss,
            metric=state.best_metric,
            diverged=diverged,
        )
        if self.context.rank == 0:
            write_text(self._spec.result, json.dumps(asdict(result)))
            shutil.rmtree(self._checkpoints, ignore_errors=True)
        self.context.barrier()
        return result


def seed_step(seed: int, done: int, rank: int) -> None:
    """Set the random state of a step from its number: a resumed run draws what it would have."""
    torch.manual_seed((seed * 1_000_003 + done) * 1_009 + rank)
