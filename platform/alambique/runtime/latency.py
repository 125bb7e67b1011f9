"""How long a call takes, by the protocol of Speedy Gonzales (Cañete and Bravo-Marquez, 2023)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WARMUPS, RUNS, THRESHOLD = 10, 100, 0.75
PROTOCOL = (
    f"batch 1, random ids, {WARMUPS} runs to warm up and {RUNS} timed, |modified z| < {THRESHOLD}"
)
"""To be printed beside what `measure` gives."""


@dataclass(frozen=True, slots=True)
class Latency:
    """The times of many runs of one call, in milliseconds."""

    mean_ms: float
    """Of the runs kept: those that are no outliers."""
    median_ms: float
    """Of all runs."""
    kept: int
    runs: int

    @property
    def per_second(self) -> float:
        """Calls in a second."""
        return 1000 / self.mean_ms


def measure(
    call: Callable[[], object],
    *,
    clock: Callable[[], float],
    warmups: int = WARMUPS,
    runs: int = RUNS,
) -> Latency:
    """Times a call: some runs to warm up, then `runs` that count.

    Args:
        call: has to wait for its result, on a GPU too.
        clock: seconds, such as time.perf_counter.
        warmups: runs that are not timed.
        runs: runs that are timed, at least one.
    """
    for _ in range(warmups):
        call()
    times = []
    for _ in range(runs):
        start = clock()
        call()
        times.append((clock() - start) * 1000)
    return latency(times)


def latency(times_ms: Sequence[float]) -> Latency:
    """What the times of a call come to, outliers left out."""
    times = np.asarray(times_ms, np.float64)
    kept = times[typical(times)]
    return Latency(float(kept.mean()), float(np.median(times)), len(kept), len(times))


def typical(times: NDArray[np.float64], threshold: float = THRESHOLD) -> NDArray[np.bool_]:
    """Which times have a modified z-score, 0.6745 (x - median) / MAD, nearer to 0 than that.

    MAD is the median distance from the median. Where it is 0, more than half of the times equal
    the median, and those are kept: the limit of the rule, which itself would divide by zero.
    """
    distance = np.abs(times - np.median(times))
    mad = np.median(distance)
    kept: NDArray[np.bool_]
    kept = distance == 0 if mad == 0 else 0.6745 * distance / mad < threshold
    return kept
