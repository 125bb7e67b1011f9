"""The learning rate over a run."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.workers.training.schedule import Shape, learning_rate


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from(get_args(Shape)))
def test_it_rises_to_its_peak_once_and_never_leaves_its_bounds(
    total: int, warmup: float, shape: Shape
) -> None:
    rates = [
        learning_rate(step, total, peak=1.0, warmup=warmup, shape=shape) for step in range(total)
    ]
    assert all(0 < r <= 1 for r in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


@pytest.mark.parametrize("shape", get_args(Shape))
def test_it_is_the_schedule_of_transformers_one_step_on(shape: Shape) -> None:
    import torch
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    name = "constant_with_warmup" if shape == "constant" else shape
    theirs = get_scheduler(name, optimizer, num_warmup_steps=4, num_training_steps=20)
    found = []
    for _ in range(19):
        optimizer.step()
        theirs.step()
        found.append(optimizer.param_groups[0]["lr"])
    ours = [learning_rate(step, 20, peak=1.0, warmup=0.2, shape=shape) for step in range(20)]
    # theirs begins with a step at rate 0: during the rise ours is one step ahead
    assert ours[:4] == pytest.approx(found[:4])
    assert ours[4:] == pytest.approx(found[3:])
