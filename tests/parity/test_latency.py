"""The latency filter against the golden lists of Speedy Gonzales."""

import numpy as np
import pytest
from tests.parity.golden_files import read_json

from alambique.runtime.latency import THRESHOLD, is_typical, latency


@pytest.mark.parametrize("threshold", [0.75, 3.5])
def test_as_many_runs_are_kept_and_their_mean_is_the_reference_s(
    threshold: float,
) -> None:
    lists = read_json("latency.json")["lists"]
    for case in lists:
        results = case["thresholds"][f"{threshold:g}"]
        # with MAD = 0 the reference keeps nothing: the recommended guard is ours
        expected = results.get("guard_keep_equal_to_median", results["reference"])
        times = np.array(case["latencies_ms"])
        kept = times[is_typical(times, threshold)]
        assert len(kept) == expected["kept"], case["name"]
        assert kept.mean() == pytest.approx(expected["mean"], rel=1e-9)
        if threshold == THRESHOLD:
            found = latency(case["latencies_ms"])
            assert (found.kept, found.runs) == (expected["kept"], case["n"])
            assert found.mean_ms == pytest.approx(expected["mean"], rel=1e-9)
            assert found.median_ms == pytest.approx(case["median"], rel=1e-9)
