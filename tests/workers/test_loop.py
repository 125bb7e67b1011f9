"""The training loop: resuming, micro-batches, divergence, which weights are kept."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from alambique.models.networks import load
from alambique.spec.errors import Diverged
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.tasks.examples import Sentence, read, write
from alambique.workers.training import loop
from alambique.workers.training.checkpoints import TrainerState, latest_checkpoint
from alambique.workers.training.distributed import SingleProcess
from alambique.workers.training.loop import train
from alambique.workers.training.loss_log import READ_EVERY
from alambique.workers.training.spec import TrainingSpec, read_result

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

HERE = SingleProcess(torch.device("cpu"))
Made = Callable[..., TrainingSpec]
Recorder = Callable[..., "Recorded"]
Losses = Callable[[TrainingSpec], list[float]]

EPOCH = 5
"""Steps of an epoch of named entities: 40 sentences of a window each, 8 in a batch."""


@pytest.fixture
def losses_of(recorded: Recorder) -> Callable[[TrainingSpec], list[float]]:
    def losses(training_spec: TrainingSpec) -> list[float]:
        run = recorded(training_spec)
        run.run()
        return run.losses

    return losses


@pytest.mark.parametrize("task", ["named-entities", "question-answering"])
def test_killed_at_a_step_and_resumed_is_as_undisturbed(
    training_spec: Made, recorded: Recorder, losses_of: Losses, task: str
) -> None:
    whole = training_spec(task)
    expected = losses_of(whole)
    for stop_at in (2, 5, 7):
        broken = beside(whole, f"broken-{stop_at}")
        with pytest.raises(KeyboardInterrupt):
            recorded(broken, stop_at=stop_at).run()
        resumed = recorded(broken)
        outcome = resumed.run()
        assert resumed.losses == expected[-len(resumed.losses) :]
        assert len(resumed.losses) < len(expected) or stop_at < whole.train.checkpoint
        assert outcome == read_result(whole)
        assert same_weights(whole.best, broken.best)


def test_killed_in_a_validation_the_rest_of_the_epoch_has_no_loss(
    training_spec: Made, recorded: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step is done again, and none is made up: NaN is no JSON."""
    spec = training_spec()
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"checkpoint": EPOCH})})

    def killed(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loop, "validate", killed)
        with pytest.raises(KeyboardInterrupt):
            recorded(spec).run()
    resumed = recorded(spec)
    resumed.run()
    assert len(resumed.losses) == EPOCH * (spec.train.epochs - 1)
    lines = [json.loads(line) for line in spec.progress.read_text().splitlines()]
    ends = [line for line in lines if line["validation"] is not None]
    assert [line["loss"] is None for line in ends] == [True] + [False] * (spec.train.epochs - 1)
    assert ends[0]["terms"] == {}


def beside(spec: TrainingSpec, name: str) -> TrainingSpec:
    """The same training in another folder."""
    folder = spec.folder.with_name(name)
    folder.mkdir()
    return spec.model_copy(update={"folder": folder})


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (one, other))
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("task", ["named-entities", "question-answering"])
def test_micro_batches_split_memory_and_not_results(
    training_spec: Made, losses_of: Losses, task: str
) -> None:
    one = training_spec(task)
    other = training_spec(task, train=one.train.model_copy(update={"accumulate": 3}))
    assert losses_of(one) == pytest.approx(losses_of(other), abs=1e-5)


def test_the_same_seed_gives_the_same_run_and_another_one_another(
    training_spec: Made, losses_of: Losses
) -> None:
    one, again = training_spec(), training_spec()
    other = training_spec(train=one.train.model_copy(update={"seed": 6}))
    losses = losses_of(one)
    assert losses == losses_of(again)
    assert losses != losses_of(other)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_best_weights(
    training_spec: Made, recorded: Recorder
) -> None:
    spec = training_spec()
    outcome = recorded(spec, before=poison_at(2 * EPOCH - 1)).run()
    assert outcome.diverged
    assert outcome.steps == EPOCH  # to the end of the last whole epoch
    assert all(t.isfinite().all() for t in load_file(spec.best / "model.safetensors").values())


def test_a_loss_that_is_not_finite_is_found_within_a_bounded_number_of_steps(
    training_spec: Made, recorded: Recorder
) -> None:
    one_by_one = {"batch_size": 1, "checkpoint": 1_000}
    spec = training_spec(train=training_spec().train.model_copy(update=one_by_one))
    epoch = len(read(spec.training))
    run = recorded(spec, before=poison_at(epoch + 3))
    result = run.run()
    assert result.diverged
    assert result.steps == epoch
    assert epoch + 3 < len(run.losses) <= epoch + 3 + READ_EVERY < 2 * epoch


def test_no_state_after_a_loss_that_is_not_finite_is_kept(
    training_spec: Made, recorded: Recorder
) -> None:
    spec = training_spec()
    assert spec.train.checkpoint == 3
    with pytest.raises(Diverged, match="at step 5:"):
        recorded(spec, before=poison_at(4)).run()
    checkpoint = latest_checkpoint(spec.folder / "checkpoints")
    assert checkpoint is not None
    assert checkpoint[0].done == 3
    state = torch.load(checkpoint[1] / "state.pt", weights_only=True)
    assert all(weight.isfinite().all() for weight in state["network"].values())


def test_a_run_that_diverges_does_so_alike_after_it_was_killed(
    training_spec: Made, recorded: Recorder
) -> None:
    last = 2 * EPOCH - 1
    spec, killed = training_spec(), training_spec()
    undisturbed = recorded(spec, before=poison_at(last)).run()
    with pytest.raises(KeyboardInterrupt):
        recorded(killed, stop_at=last).run()
    assert recorded(killed, before=poison_at(last)).run() == undisturbed
    assert undisturbed.metric == metrics_of(spec)[undisturbed.best_epoch]


def test_weights_and_metric_are_of_the_best_epoch(training_spec: Made, recorded: Recorder) -> None:
    spec = training_spec()
    best: dict[str, Tensor] = {}

    def worse_in_the_second_epoch(network: nn.Module, step: int) -> None:
        """It finds the same tag everywhere."""
        if step == EPOCH:
            best.update({name: weight.clone() for name, weight in network.state_dict().items()})
            with torch.no_grad():
                list(network.parameters())[-1][1] += 50

    outcome = recorded(spec, before=worse_in_the_second_epoch).run()
    assert (outcome.best_epoch, outcome.epochs) == (0, 2)
    first, second = metrics_of(spec)
    assert outcome.metric == first != second
    kept = load(spec.best, find(spec.task).output, spec.labels).state_dict()
    assert best.keys() == kept.keys()
    assert all(torch.equal(best[name], kept[name]) for name in best)


def metrics_of(training_spec: TrainingSpec) -> list[float]:
    """After each epoch."""
    lines = [json.loads(line) for line in training_spec.progress.read_text().splitlines()]
    return [line["metric"] for line in lines if line["metric"] is not None]


def poison_at(step: int) -> Callable[[nn.Module, int], None]:
    """Leaves behind what an exploding gradient does, before a step."""

    def poison(network: nn.Module, done: int) -> None:
        if done == step:
            with torch.no_grad():
                next(iter(network.parameters())).fill_(math.nan)

    return poison


def test_rows_without_a_word_to_learn_from_are_left_out(training_spec: Made) -> None:
    one_by_one = Train(epochs=1, batch_size=1, max_length=96, stride=32)
    spec = training_spec(train=one_by_one)
    examples = read(spec.training)
    soft_hyphen = Sentence("hidden", ("\u00ad",), ("O",))
    write(spec.training, [*examples[:3], soft_hyphen])
    assert train(spec, HERE).steps == 3


def test_a_run_that_diverges_before_its_first_epoch_ends_is_an_error(
    training_spec: Made, recorded: Recorder
) -> None:
    with pytest.raises(Diverged, match=r"step 1: lower train\.learning_rate"):
        recorded(training_spec(), before=poison_at(0)).run()


def test_patience_ends_a_run_that_gets_no_better(training_spec: Made) -> None:
    still = Train(epochs=6, learning_rate=1e-12, batch_size=8, max_length=96, stride=32, patience=2)
    outcome = train(training_spec(train=still), HERE)
    assert outcome.epochs < 6
    assert outcome.best_epoch == outcome.epochs - 3


def test_progress_is_told_line_by_line(training_spec: Made) -> None:
    spec = training_spec()
    outcome = train(spec, HERE)
    lines = [json.loads(line) for line in spec.progress.read_text().splitlines()]
    assert lines[-1]["done"] == lines[-1]["total"] == outcome.steps
    assert [line["validation"] is not None for line in lines].count(True) == spec.train.epochs


def test_somebody_is_told_after_each_epoch_that_another_one_follows(training_spec: Made) -> None:
    long = training_spec().train.model_copy(update={"epochs": 4})
    states: list[TrainerState] = []
    outcome = train(training_spec(train=long), HERE, states.append)
    assert [position.epoch for position in states] == [1, 2, 3]
    assert all(position.step == 0 for position in states)
    losses = [position.best_loss for position in states]
    assert losses == sorted(losses, key=lambda loss: -(loss or 0))
    assert losses[-1] is not None
    assert outcome.best_loss <= losses[-1]


def test_who_is_told_may_end_it_and_it_goes_on_from_there(training_spec: Made) -> None:
    long = training_spec().train.model_copy(update={"epochs": 3})
    whole = training_spec(train=long)
    expected = train(whole, HERE)
    stopped = beside(whole, "stopped")

    def stop(_: TrainerState) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, HERE, stop)
    epochs: list[int] = []
    assert train(stopped, HERE, lambda position: epochs.append(position.epoch)) == expected
    assert epochs == [1, 2]  # the first one again: who was told may have kept it to itself
    assert same_weights(whole.best, stopped.best)
