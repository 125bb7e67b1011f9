"""The losses, batches and rates of a loop as anybody would write it, which shares no code."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workers import plain_training

from alambique.spec.train import Train
from alambique.tasks.examples import read
from alambique.workers.training.schedule import epoch_batches, learning_rate
from alambique.workers.training.spec import TrainingSpec

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

SHORT_WINDOWS = {"max_length": 40, "stride": 18, "epochs": 1}
"""So that most examples have several windows, and pairs of texts are cut."""
TOKENS = {"batch_size": None, "batch_tokens": 300, "schedule": "cosine", "warmup": 0.3}


@pytest.mark.parametrize("task", ["named-entities", "question-answering", "paraphrase"])
@pytest.mark.parametrize("changed", [{}, SHORT_WINDOWS, TOKENS], ids=["", "windows", "tokens"])
def test_the_losses_of_a_plain_loop(
    training_spec: Callable[..., TrainingSpec],
    recorded: Callable[..., "Recorded"],
    task: str,
    changed: dict[str, Any],
) -> None:
    spec = training_spec(task)
    settings = spec.train.model_copy(update=changed)
    run = recorded(spec.model_copy(update={"train": settings}))
    run.run()
    expected = plain_training.train(spec.start, read(spec.training), spec.labels, settings)
    assert len(expected) >= 5
    assert run.losses == pytest.approx(expected, abs=1e-5)


@given(
    st.lists(st.integers(3, 400), min_size=1, max_size=300),
    st.one_of(
        st.builds(lambda size: {"batch_size": size}, st.integers(1, 40)),
        st.builds(lambda size: {"batch_tokens": size}, st.integers(300, 3000)),
        st.just({}),
    ),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_batches_are_as_documented(
    lengths: list[int], size: dict[str, int], seed: int, epoch: int
) -> None:
    settings = Train(seed=seed, **size)
    ours = epoch_batches(lengths, settings, epoch)
    assert ours == plain_training.batches_of(lengths, settings, epoch)


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from(["linear", "cosine", "constant"]))
def test_rates_are_as_documented(steps: int, warmup: float, shape: Any) -> None:
    settings = Train(learning_rate=0.5, warmup=warmup, schedule=shape)
    ours = [
        learning_rate(step, steps, peak=0.5, warmup=warmup, shape=shape) for step in range(steps)
    ]
    expected = [plain_training.learning_rate(step, steps, settings) for step in range(steps)]
    assert ours == pytest.approx(expected, abs=1e-12)


def test_the_plain_loop_shares_no_code_with_the_project() -> None:
    """What it has of it is data: settings and examples."""
    tree = ast.parse(Path(plain_training.__file__).read_text())
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        + [alias.name for alias in node.names if isinstance(node, ast.Import)]
    }
    own = {name for name in imported if name.startswith(("alambique", "tests"))}
    assert own == {"alambique.spec.train", "alambique.tasks.examples"}
