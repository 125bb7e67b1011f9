import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.runtime.latency import latency, measure, typical

times = st.lists(st.floats(0.001, 1e4), min_size=1, max_size=50)


def test_only_the_runs_after_the_warm_up_are_timed() -> None:
    calls = itertools.count()
    ticks = itertools.cycle([0.0, 0.004])
    found = measure(lambda: next(calls), clock=lambda: next(ticks), warmups=3, runs=8)
    assert next(calls) == 11
    assert (found.kept, found.runs) == (8, 8)
    assert found.mean_ms == found.median_ms == pytest.approx(4)
    assert found.per_second == pytest.approx(250)


@given(times)
def test_something_is_always_kept_and_lies_within_what_was_measured(values: list[float]) -> None:
    found = latency(values)
    assert 1 <= found.kept <= found.runs == len(values)
    assert min(values) * (1 - 1e-9) <= found.mean_ms <= max(values) * (1 + 1e-9)


@given(times, st.floats(0.1, 10))
def test_a_wider_threshold_keeps_more(values: list[float], threshold: float) -> None:
    narrow, wide = (typical(np.array(values), t) for t in (threshold, threshold * 2))
    assert (wide | ~narrow).all()
