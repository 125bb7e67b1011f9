"""Ratios of what was measured in pairs, and the intervals that hold their medians."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of ratios of pairs, and an interval around it."""

    median: float
    low: float
    high: float
    confidence: float
    """How probably the interval holds the true median."""

    def __str__(self) -> str:
        """As the table has it."""
        return f"{self.median:.2f}"

    @property
    def interval(self) -> str:
        """The interval as the table has it."""
        return f"{self.low:.2f} to {self.high:.2f} ({self.confidence:.0%})"


def ratio_of(over: Sequence[float], under: Sequence[float]) -> Ratio:
    """Return the ratio of two sides that were measured in turns, pair by pair.

    The interval is the narrowest between two ratios of equal rank from both ends that holds the
    true median with 95 %, whatever the distribution; of fewer than six pairs all ratios, with the
    probability that these have (the binomial distribution of how many are below the median).

    >>> ratio_of([3, 4, 5], [1, 2, 5])
    Ratio(median=2.0, low=1.0, high=3.0, confidence=0.75)
    """
    ratios = sorted(a / b for a, b in zip(over, under, strict=True))
    rank = 1
    while rank < len(ratios) / 2 and _confidence(len(ratios), rank + 1) >= 0.95:
        rank += 1
    return Ratio(median(ratios), ratios[rank - 1], ratios[-rank], _confidence(len(ratios), rank))


def _confidence(pairs: int, rank: int) -> float:
    """The probability that the median is between the ratios of a rank from both ends.

    >>> _confidence(10, 2)
    0.978515625
    """
    below: int = sum(comb(pairs, k) for k in range(rank))
    return 1.0 - below / 2.0 ** (pairs - 1)
