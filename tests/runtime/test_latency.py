import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.runtime.latency import is_typical, latency, measure, measure_in_turns, turn

times = st.lists(st.floats(0.001, 1e4), min_size=1, max_size=50)


def test_only_the_runs_after_the_warm_up_are_timed() -> None:
    calls = itertools.count()
    ticks = itertools.cycle([0.0, 0.004])
    found = measure(lambda: next(calls), clock=lambda: next(ticks), warmups=3, runs=8)
    assert next(calls) == 11
    assert (found.kept, found.runs) == (8, 8)
    assert found.mean_ms == found.median_ms == pytest.approx(4)
    assert found.per_second == pytest.approx(250)


@given(st.integers(1, 5), st.integers(1, 12))
def test_each_call_is_made_once_in_every_round(calls: int, runs: int) -> None:
    made: list[int] = []
    ticks = itertools.count()
    found = measure_in_turns(
        [partial(made.append, number) for number in range(calls)],
        clock=lambda: float(next(ticks)),
        warmups=2,
        runs=runs,
    )
    rounds = [made[at : at + calls] for at in range(0, len(made), calls)]
    assert len(rounds) == 2 + runs
    assert all(sorted(one) == list(range(calls)) for one in rounds)
    assert [one.runs for one in found] == [runs] * calls


@given(st.integers(1, 6))
def test_each_call_comes_first_equally_often(calls: int) -> None:
    rounds = [turn(calls, number) for number in range(2 * calls)]
    assert [sum(one[0] == call for one in rounds) for call in range(calls)] == [2] * calls


@given(times)
def test_something_is_always_kept_and_lies_within_what_was_measured(values: list[float]) -> None:
    found = latency(values)
    assert 1 <= found.kept <= found.runs == len(values)
    assert min(values) * (1 - 1e-9) <= found.mean_ms <= max(values) * (1 + 1e-9)


@given(times, st.floats(0.1, 10))
def test_a_wider_threshold_keeps_more(values: list[float], threshold: float) -> None:
    narrow, wide = (is_typical(np.array(values), t) for t in (threshold, threshold * 2))
    assert (wide | ~narrow).all()
