"""When a number holds, what a card may print, and what follows from other numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.workers.publishing.derived import Derivation
from alambique.workers.publishing.findings import (
    Finding,
    Verdict,
    compared,
    compared_speed,
    exit_code,
)
from alambique.workers.publishing.numbers import (
    DIFFERENCE,
    SIMILARITY,
    SPEED_RATIO,
    Measured,
    Number,
)
from alambique.workers.publishing.tolerances import (
    Tolerance,
    logit_amplitude,
    score_changes,
    tolerance_of,
)
from alambique.workers.training.kinds.kind import WindowLogits


def number(metric: str = "f1", value: float = 0.8, **fields: Any) -> Number:
    about = {"model": "this", "data": "xnli", "split": "test", "measured": Measured.HERE}
    return Number.model_validate({"metric": metric, "value": value} | about | fields)


def accuracy(logits: Sequence[WindowLogits]) -> dict[str, float]:
    """The part of rows whose first logit is the highest."""
    return {"accuracy": float(np.mean([each.argmax() == 0 for each in logits]))}


@st.composite
def answers(draw: st.DrawFn) -> list[WindowLogits]:
    """Logits of two classes, (1, 2) for each example, some of them as good as tied."""
    margins = draw(st.lists(st.sampled_from([-3.0, -1e-5, 0.0, 1e-5, 0.5, 3.0]), min_size=1))
    return [np.array([[margin, 0.0]], dtype=np.float32) for margin in margins]


@given(answers(), st.integers(0, 2**32 - 1))
def test_a_score_holds_on_every_processor_that_moves_logits_a_little(
    logits: list[WindowLogits], seed: int
) -> None:
    """By a hundredth of what was tried, in any direction: that turns near ties, and no others."""
    chance = np.random.default_rng(seed)
    amplitude = logit_amplitude(None)
    change = score_changes(accuracy, logits, amplitude)["accuracy"]
    ours = accuracy(logits)["accuracy"]
    tolerance = score_tolerance(ours, change)
    moved = [
        each + chance.uniform(-amplitude / 100, amplitude / 100, each.shape).astype(np.float32)
        for each in logits
    ]
    theirs = accuracy(moved)["accuracy"]
    assert compared(number("accuracy", theirs), ours, tolerance).verdict is Verdict.HELD


@given(answers(), st.sampled_from([-1, 1]))
def test_an_answer_that_no_processor_turns_is_no_tolerance_for_an_edit(
    logits: list[WindowLogits], answer: int
) -> None:
    """However few the examples are, the score of one answer more or less is false."""
    clear = [each for each in logits if abs(each[0, 0]) > 0.1] or [
        np.array([[3, 0]], dtype=np.float32)
    ]
    change = score_changes(accuracy, clear, logit_amplitude(None))["accuracy"]
    ours = accuracy(clear)["accuracy"]
    edited = number("accuracy", ours + answer / len(clear))
    assert compared(edited, ours, score_tolerance(ours, change)).verdict is Verdict.FALSE


@given(answers(), st.floats(0.001, 0.5), st.floats(1, 10))
def test_more_is_tolerated_where_logits_are_farther_apart(
    logits: list[WindowLogits], amplitude: float, times: float
) -> None:
    clear = [each for each in logits if abs(each[0, 0]) > 1]
    near = score_changes(accuracy, clear, amplitude) if clear else {"accuracy": 0.0}
    assert near == {"accuracy": 0.0}
    int8 = logit_amplitude([np.array([[times]], dtype=np.float32)])
    assert int8 == pytest.approx(times)
    assert logit_amplitude([np.zeros((2, 2), dtype=np.float32)]) == logit_amplitude(None)


def score_tolerance(value: float, change: float) -> Tolerance:
    about = number("accuracy", value)
    return tolerance_of(about, change=change, amplitude=0.001, is_quantized=False)


def test_a_size_is_exact_and_a_logit_nearly_so() -> None:
    def amount(metric: str, value: float, *, is_quantized: bool = False, **fields: Any) -> float:
        about = number(metric, value, **fields)
        return tolerance_of(about, change=1, amplitude=1, is_quantized=is_quantized).amount

    assert amount("parameters", 1000, data=None, split=None, is_quantized=True) == 0
    assert amount("examples", 1000) == 0
    assert amount(DIFFERENCE, 3e-6, split="dev") == 0.001
    assert amount(SIMILARITY, 1.0) == 0.001
    assert amount(DIFFERENCE, 2.0, split="dev", is_quantized=True) == 1.0


@pytest.mark.parametrize(
    ("here", "verdict"),
    [
        (4.0, Verdict.HELD),
        (2.1, Verdict.HELD),
        (1.9, Verdict.DIFFERS),
        (9.0, Verdict.DIFFERS),
        (0.41, Verdict.DIFFERS),
        (0.39, Verdict.FALSE),
        (0.0, Verdict.FALSE),
    ],
)
def test_a_speed_is_false_where_it_is_ten_times_what_it_is_here(
    here: float, verdict: Verdict
) -> None:
    published = number(SPEED_RATIO, 4.0)
    assert compared_speed(published, here, "x86_64 Xeon").verdict is verdict


@pytest.mark.parametrize(
    ("published", "said"),
    [
        ("x86_64 AMD EPYC 7B13", "another processor, x86_64 AMD EPYC 7B13; this is x86_64 Xeon 2"),
        ("x86_64 Xeon 2", "a processor as this one, x86_64 Xeon 2"),
        ("x86_64 CPU", "not recorded; this is x86_64 Xeon 2"),
        (None, "not recorded; this is x86_64 Xeon 2"),
    ],
)
def test_it_is_said_whether_a_speed_is_of_another_processor(
    published: str | None, said: str
) -> None:
    settings = {} if published is None else {"machine": published}
    about = number(SPEED_RATIO, 4.0, settings=settings)
    assert said in str(compared_speed(about, 3.0, "x86_64 Xeon 2, host.example").note)


def test_a_command_ends_by_the_worst_that_was_found() -> None:
    held, differs, data, false = (
        Finding("", verdict)
        for verdict in (Verdict.HELD, Verdict.DIFFERS, Verdict.NO_DATA, Verdict.FALSE)
    )
    assert exit_code([held, differs]) == 0
    assert exit_code([held, data]) == 3
    assert exit_code([data, false]) == 1


def test_numbers_of_a_trial_follow_from_those_of_its_seeds_and_its_baselines() -> None:
    numbers = [
        number(value=0.8, seed=1),
        number(value=0.6, seed=2, model="student-3", measured=Measured.NOT_HERE),
        number(value=0.5, seed=1, model="gold-only-3", measured=Measured.OWN_FILE),
        number(value=0.9, seed=2, model="gold-only-3", measured=Measured.NOT_HERE),
        number(value=0.1, seed=1, model="gold-only", measured=Measured.OWN_FILE),
        number(value=0.875, model="teacher", measured=Measured.OWN_FILE),
        number(value=0.5, model="teacher-2", measured=Measured.OWN_FILE),
    ]
    derivation = Derivation(numbers, "f1", "student-3")

    def value(metric: str, model: str = "student-3") -> float | None:
        return derivation.value(number(metric, 0, model=model, measured=Measured.DERIVED))

    assert value("f1") == pytest.approx(0.7)
    assert value("f1 deviation") == pytest.approx(0.1 * 2**0.5)
    assert value("retention of f1") == pytest.approx(0.7 / 0.875)
    assert value("f1 gain over gold-only") == pytest.approx((0.3 - 0.3) / 2)
    assert value("f1 gain over gold-only, seeds") == 2
    assert value("f1 gain over same-start") is None
    assert value("inferences_per_second", model="this") is None
    assert value("f1 deviation", model="gold-only") is None
