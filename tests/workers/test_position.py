"""Where a run stands, and checkpoints that are there whole or not at all."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from alambique.workers.training.checkpoints import TrainerState, latest_checkpoint, save_checkpoint
from alambique.workers.training.distributed import SingleProcess

HERE = SingleProcess(torch.device("cpu"))
EARLY, LATE = (
    TrainerState(done=8, step=2),
    TrainerState(done=12, epoch=1, best_loss=0.5, best_epoch=0, best_metric=0.75),
)


class Killed(Exception):
    """The process ends here."""


def write(folder: Path) -> None:
    (folder / "state").write_text("whole")


def write_half(folder: Path) -> None:
    (folder / "state").write_text("ha")
    raise Killed


def test_steps_and_epochs_count_up() -> None:
    stepped = TrainerState().after_step().after_step()
    assert (stepped.epoch, stepped.step, stepped.done) == (0, 2, 2)


def test_the_best_epoch_is_the_one_of_the_lowest_loss_with_its_metric() -> None:
    best = TrainerState(done=2, step=2).after_epoch(0.5, 0.25)
    assert best == TrainerState(epoch=1, done=2, best_loss=0.5, best_epoch=0, best_metric=0.25)
    worse = best.after_epoch(0.5, 1.0).after_epoch(0.75, 1.0)
    assert worse == replace(best, epoch=3, epochs_without_improvement=2)
    better = TrainerState(epoch=4, done=2, best_loss=0.25, best_epoch=3, best_metric=0.125)
    assert worse.after_epoch(0.25, 0.125) == better


def test_the_newest_checkpoint_is_read_back_and_the_one_before_goes(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    for position in (EARLY, LATE):
        save_checkpoint(tmp_path, position, write, HERE)
        found = latest_checkpoint(tmp_path)
        assert found is not None
        assert found[0] == position
        assert (found[1] / "state").read_text() == "whole"
        assert list(tmp_path.iterdir()) == [found[1]]


def test_a_torn_checkpoint_does_not_count(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, EARLY, write, HERE)
    with pytest.raises(Killed):
        save_checkpoint(tmp_path, LATE, write_half, HERE)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found[0] == EARLY
    save_checkpoint(tmp_path, LATE, write, HERE)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert (found[0], (found[1] / "state").read_text()) == (LATE, "whole")
    assert list(tmp_path.iterdir()) == [found[1]]


def test_the_end_of_an_epoch_is_later_than_its_last_step(tmp_path: Path) -> None:
    last = TrainerState(done=12, step=12)
    save_checkpoint(tmp_path, last, write, HERE)
    save_checkpoint(tmp_path, last.after_epoch(0.5, 0.75), write, HERE)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found[0].epoch == 1
