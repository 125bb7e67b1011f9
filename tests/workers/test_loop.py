"""The training loop: parity with a plain one, resuming, micro-batches, divergence."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from alambique.models.networks import load
from alambique.spec.errors import Diverged
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.tasks.examples import Sentence, read, write
from alambique.tasks.task import TagGold
from alambique.workers.training import loop
from alambique.workers.training.batching import epoch_batches
from alambique.workers.training.course import Course
from alambique.workers.training.loop import Run, train
from alambique.workers.training.material import material_of
from alambique.workers.training.place import Alone
from alambique.workers.training.position import Position
from alambique.workers.training.schedule import rate

HERE = Alone(torch.device("cpu"))
Made = Callable[..., Course]


class Recorded(Run):
    """A run that remembers the loss of every step, and may be stopped before one."""

    def __init__(self, course: Course, stop_at: int | None = None) -> None:
        super().__init__(course, HERE)
        self.losses: list[float] = []
        self._stop_at = stop_at

    def _step(self, batch: Sequence[int], position: Position) -> float:
        if position.done == self._stop_at:
            raise KeyboardInterrupt
        self.losses.append(super()._step(batch, position))
        return self.losses[-1]


def losses_of(course: Course) -> list[float]:
    run = Recorded(course)
    run.to_the_end()
    return run.losses


def test_tagging_has_the_losses_of_a_plain_loop(course: Made) -> None:
    told = course("named-entities")
    assert losses_of(told) == pytest.approx(plain_losses(told), abs=1e-5)


def plain_losses(told: Course) -> list[float]:
    """The same run as anybody would write it with PyTorch and transformers alone."""
    _, material = material_of(told, HERE)
    rows, settings = material.training, told.train
    network = load(told.start, find(told.task).output, told.labels)
    model, named = network.inner, list(network.inner.named_parameters())
    groups = [
        {"params": [p for _, p in named if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for _, p in named if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups)
    plans = [
        batch
        for epoch in range(settings.epochs)
        for batch in epoch_batches([row.length for row in rows], settings, epoch)
    ]
    losses = []
    model.train()
    for step, batch in enumerate(plans):
        longest = max(rows[i].length for i in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for b, i in enumerate(batch):
            ids[b, : rows[i].length] = torch.from_numpy(rows[i].window.input_ids_N)
            mask[b, : rows[i].length] = 1
            gold = rows[i].gold
            assert isinstance(gold, TagGold)
            labels[b, torch.from_numpy(gold.positions_P).long()] = torch.from_numpy(
                gold.labels_P
            ).long()
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        losses.append(loss.item())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        for group in optimizer.param_groups:
            group["lr"] = rate(
                step,
                len(plans),
                peak=settings.learning_rate,
                warmup=settings.warmup,
                shape="linear",
            )
        optimizer.step()
        optimizer.zero_grad()
    return losses


@pytest.mark.parametrize("task", ["named-entities", "question-answering"])
@pytest.mark.parametrize("stop_at", [2, 5, 7])
def test_killed_at_a_step_and_resumed_is_as_undisturbed(
    course: Made, task: str, stop_at: int
) -> None:
    whole = course(task)
    expected = losses_of(whole)
    broken = whole.model_copy(update={"folder": whole.folder.with_name("broken")})
    broken.folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        Recorded(broken, stop_at).to_the_end()
    resumed = Recorded(broken)
    outcome = resumed.to_the_end()
    assert resumed.losses == expected[-len(resumed.losses) :]
    assert len(resumed.losses) < len(expected) or stop_at < whole.train.checkpoint
    assert outcome == loop.read_outcome(whole)
    assert same_weights(whole.best, broken.best)


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (one, other))
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("task", ["named-entities", "question-answering"])
def test_micro_batches_split_memory_and_not_results(course: Made, task: str) -> None:
    one = course(task)
    told = {"accumulate": 3}
    other = course(task, train=one.train.model_copy(update=told))
    assert losses_of(one) == pytest.approx(losses_of(other), abs=1e-5)


def test_the_same_seed_gives_the_same_run_and_another_one_another(course: Made) -> None:
    one, again = course(), course()
    other = course(train=one.train.model_copy(update={"seed": 6}))
    assert losses_of(one) == losses_of(again)
    assert losses_of(one.model_copy(update={"folder": other.folder})) != losses_of(other)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_best_weights(
    course: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = course()
    steps = len(losses_of(told))
    broken = told.model_copy(update={"folder": told.folder.with_name("broken")})
    broken.folder.mkdir()

    outcome = Poisoned(broken, at=steps - 1).to_the_end()
    assert outcome.diverged
    assert outcome.steps == steps // 2  # to the end of the last whole epoch
    assert all(t.isfinite().all() for t in load_file(broken.best / "model.safetensors").values())


def test_a_run_that_diverges_does_so_alike_after_it_was_killed(course: Made) -> None:
    told = course()
    last = len(losses_of(told)) - 1
    runs = [told.model_copy(update={"folder": told.folder.with_name(n)}) for n in ("one", "two")]
    for run in runs:
        run.folder.mkdir()
    undisturbed = Poisoned(runs[0], at=last).to_the_end()
    with pytest.raises(KeyboardInterrupt):
        Recorded(runs[1], last).to_the_end()
    assert Poisoned(runs[1], at=last).to_the_end() == undisturbed
    assert undisturbed.metric == metrics_of(runs[0])[undisturbed.best_epoch]


def test_the_metric_is_that_of_the_weights_that_are_kept(course: Made) -> None:
    told = course()
    steps = len(losses_of(told))
    worse = told.model_copy(update={"folder": told.folder.with_name("worse")})
    worse.folder.mkdir()

    class Worse(Recorded):
        """Which finds the same tag everywhere in its second epoch."""

        def _step(self, batch: Sequence[int], position: Position) -> float:
            if position.done == steps // 2:
                with torch.no_grad():
                    list(self._network.parameters())[-1][1] += 50
            return super()._step(batch, position)

    outcome = Worse(worse).to_the_end()
    assert (outcome.best_epoch, outcome.epochs) == (0, 2)
    first, second = metrics_of(worse)
    assert outcome.metric == first != second


def metrics_of(course: Course) -> list[float]:
    """After each epoch."""
    lines = [json.loads(line) for line in course.progress.read_text().splitlines()]
    return [line["metric"] for line in lines if line["metric"] is not None]


class Poisoned(Recorded):
    """Whose weights are NaN before step `at`."""

    def __init__(self, course: Course, *, at: int) -> None:
        super().__init__(course)
        self._at = at

    def _step(self, batch: Sequence[int], position: Position) -> float:
        if position.done == self._at:
            poison(self)
        return super()._step(batch, position)


def test_rows_without_a_word_to_learn_from_are_left_out(course: Made) -> None:
    one_by_one = Train(epochs=1, batch_size=1, max_length=96, stride=32)
    told = course(train=one_by_one)
    examples = read(told.training)
    soft_hyphen = Sentence("hidden", ("\u00ad",), ("O",))
    write(told.training, [*examples[:3], soft_hyphen])
    assert train(told, HERE).steps == 3


def test_a_run_that_diverges_before_its_first_epoch_ends_is_an_error(course: Made) -> None:
    run = Recorded(course())
    poison(run)
    with pytest.raises(Diverged, match=r"step 1: lower train\.learning_rate"):
        run.to_the_end()


def poison(run: Run) -> None:
    """What an exploding gradient leaves behind."""
    with torch.no_grad():
        next(iter(run._network.parameters())).fill_(math.nan)


def test_patience_ends_a_run_that_gets_no_better(course: Made) -> None:
    still = Train(epochs=6, learning_rate=1e-12, batch_size=8, max_length=96, stride=32, patience=2)
    outcome = train(course(train=still), HERE)
    assert outcome.epochs < 6
    assert outcome.best_epoch == outcome.epochs - 3


def test_progress_is_told_line_by_line(course: Made) -> None:
    told = course()
    outcome = train(told, HERE)
    lines = [json.loads(line) for line in told.progress.read_text().splitlines()]
    assert lines[-1]["done"] == lines[-1]["total"] == outcome.steps
    assert [line["validation"] is not None for line in lines].count(True) == told.train.epochs
