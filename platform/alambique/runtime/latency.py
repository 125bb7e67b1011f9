"""How long calls take, by the protocol of Speedy Gonzales (Cañete and Bravo-Marquez, 2023).

Several calls are timed in turns, so that whatever else the machine does meanwhile meets all alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WARMUPS, RUNS, THRESHOLD = 10, 100, 0.75
PROTOCOL = (
    f"batch 1, random ids, in turns, {WARMUPS} runs to warm up and {RUNS} timed, "
    f"|modified z| < {THRESHOLD}"
)
"""To be printed beside what `measure` gives."""


@dataclass(frozen=True, slots=True)
class Latency:
    """The times of many runs of one call, in milliseconds."""

    mean_ms: float
    """Of the runs kept: those that are no outliers."""
    median_ms: float
    """Of all runs, like the next two."""
    low_ms: float
    """A tenth of the runs took less."""
    high_ms: float
    """A tenth of the runs took more."""
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
    """Return the times of one call; see `measure_in_turns`."""
    return measure_in_turns([call], clock=clock, warmups=warmups, runs=runs)[0]


def measure_in_turns(
    calls: Sequence[Callable[[], object]],
    *,
    clock: Callable[[], float],
    warmups: int = WARMUPS,
    runs: int = RUNS,
) -> list[Latency]:
    """Return the times of each call: rounds to warm up, then `runs` rounds that count.

    Each round makes every call once, in an order that turns from round to round, so that each of
    them comes first, and follows another one, equally often.

    Args:
        calls: each has to wait for its result, on a GPU too.
        clock: seconds, such as time.perf_counter.
        warmups: rounds that are not timed.
        runs: rounds that are timed, at least one.
    """
    times: list[list[float]] = [[] for _ in calls]
    for number in range(warmups):
        for which in turn(len(calls), number):
            calls[which]()
    for number in range(runs):
        for which in turn(len(calls), number):
            start = clock()
            calls[which]()
            times[which].append((clock() - start) * 1000)
    return [latency(call_times) for call_times in times]


def turn(calls: int, number: int) -> list[int]:
    """Return the order of the calls in a round: forward, backward, then both turned by one.

    >>> turn(3, 0), turn(3, 1), turn(3, 2)
    ([0, 1, 2], [2, 1, 0], [1, 2, 0])
    """
    order = [(number // 2 + which) % calls for which in range(calls)]
    return order[::-1] if number % 2 else order


def latency(times_ms: Sequence[float]) -> Latency:
    """Return the latency of a call by its times; its mean is without outliers."""
    times = np.asarray(times_ms, np.float64)
    kept = times[is_typical(times)]
    low, median, high = np.quantile(times, [0.1, 0.5, 0.9])
    return Latency(
        float(kept.mean()), float(median), float(low), float(high), len(kept), len(times)
    )


def is_typical(times: NDArray[np.float64], threshold: float = THRESHOLD) -> NDArray[np.bool_]:
    """Return which times have a modified z-score, |0.6745 (x - median) / MAD|, below a threshold.

    MAD is the median distance from the median. Where it is 0, more than half of the times equal
    the median, and those are kept: the limit of the rule, which itself would divide by zero.
    """
    distance = np.abs(times - np.median(times))
    mad = np.median(distance)
    kept: NDArray[np.bool_]
    kept = distance == 0 if mad == 0 else 0.6745 * distance / mad < threshold
    return kept
