"""Intervals of scores and of differences between them, by a paired bootstrap.

Every primary metric is a ratio of two sums over examples: F1 is 2·tp over 2·tp + fp + fn, accuracy
is hits over words, the F1 of answers is their sum over the number of questions. What each example
adds to both sums is therefore enough to score any resampled test set.

Shapes: S seeds, E examples, D draws; the last axis of 2 holds numerator and denominator.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
COVERED = 0.95
"""The part of all draws that an interval holds."""
_AT_ONCE = 4_000_000
"""Examples that are drawn at once, over all draws: 16 MB of numbers."""

_PACKED = np.dtype("<f4")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure, and the interval that 95 of 100 resampled test sets give."""

    value: float
    low: float
    high: float
    seeds: int
    """How many trainings it is over; of one, the interval is over examples alone."""

    @property
    def holds_zero(self) -> bool:
        """Whether the figure may as well be nothing."""
        return self.low <= 0 <= self.high

    @property
    def half_width(self) -> float:
        """Half the distance between the two ends."""
        return (self.high - self.low) / 2


def ratio(fractions_E2: Floats) -> float:
    """Return the metric of these examples; 0 where its denominator is."""
    above, below = fractions_E2.sum(0)
    return float(above / below) if below else 0.0


def difference(ours_SE2: Floats, theirs_SE2: Floats, *, draws: int = DRAWS) -> Interval:
    """Return the mean score of one model minus that of another on the same examples.

    Each draw takes seeds and then examples with replacement, the same for both models, so that what
    makes an example or a seed hard for both cancels out (Koehn, 2004; Dror et al., 2018). A
    resampled mean over S seeds varies by (S - 1) / S of what the mean itself does: its deviation
    from the mean of all seeds is multiplied by the root of S / (S - 1).

    Args:
        ours_SE2: what each example adds to numerator and denominator, for each seed.
        theirs_SE2: the same of the other model, its seeds in the same order.
        draws: how many resampled test sets.

    Raises:
        ValueError: the two are not over the same seeds and examples, or there is no example.
    """
    return differences([(ours_SE2, theirs_SE2)], draws=draws)[0]


def differences(pairs: Sequence[tuple[Floats, Floats]], *, draws: int = DRAWS) -> list[Interval]:
    """Return what `difference` gives for each pair; those over as many examples share the draws.

    Raises:
        ValueError: a pair is not over the same seeds and examples, or there is no example.
    """
    by_examples: dict[int, list[int]] = {}
    for number, (ours_SE2, theirs_SE2) in enumerate(pairs):
        if ours_SE2.shape != theirs_SE2.shape or not ours_SE2.shape[1]:
            raise ValueError(
                f"expected two models over the same seeds and examples, found {ours_SE2.shape} and "
                f"{theirs_SE2.shape}"
            )
        by_examples.setdefault(ours_SE2.shape[1], []).append(number)
    found: dict[int, Interval] = {}
    for numbers in by_examples.values():
        models = [one for number in numbers for one in pairs[number]]
        drawn = iter(resampled_scores(models, draws=draws))
        for number, ours_DS, theirs_DS in zip(numbers, drawn, drawn, strict=True):
            ours_SE2, theirs_SE2 = pairs[number]
            value_S = _scores(ours_SE2) - _scores(theirs_SE2)
            found[number] = _interval(ours_DS - theirs_DS, value_S)
    return [found[number] for number in range(len(pairs))]


def score_interval(fractions_SE2: Floats, *, draws: int = DRAWS) -> Interval:
    """Return the mean score of one model, with its interval; drawn as in `difference`."""
    (drawn_DS,) = resampled_scores([fractions_SE2], draws=draws)
    return _interval(drawn_DS, _scores(fractions_SE2))


def resampled_scores(models: Sequence[Floats], *, draws: int = DRAWS) -> list[Floats]:
    """Return the scores (D, S) of each model on resampled test sets, which all of them share.

    The draws depend on the number of examples alone: the same draw gives the same interval.
    """
    examples = models[0].shape[1]
    sums_CE = np.concatenate([np.moveaxis(one, 2, 1).reshape(-1, examples) for one in models])
    drawn_DC = np.concatenate([counts_dE @ sums_CE.T for counts_dE in _counts(examples, draws)])
    found, first = [], 0
    for one in models:
        columns_DS2 = drawn_DC[:, first : first + 2 * len(one)].reshape(draws, len(one), 2)
        above_DS, below_DS = columns_DS2[..., 0], columns_DS2[..., 1]
        found.append(np.divide(above_DS, below_DS, out=np.zeros_like(above_DS), where=below_DS > 0))
        first += 2 * len(one)
    return found


def pack_fractions(fractions_E2: Floats) -> bytes:
    """Return what each example adds as few bytes: counts exactly, other numbers to seven digits."""
    return zlib.compress(fractions_E2.astype(_PACKED).tobytes())


def unpack_fractions(content: bytes) -> Floats:
    """Return what `pack_fractions` was given, (E, 2).

    Raises:
        ValueError: the bytes are not of it.
    """
    try:
        numbers = np.frombuffer(zlib.decompress(content), _PACKED)
    except zlib.error as error:
        raise ValueError(f"found bytes that are no packed example scores: {error}") from error
    return numbers.reshape(-1, 2).astype(np.float64)


def _counts(examples: int, draws: int) -> Iterator[Floats]:
    """Yield how often each draw holds each example, (d, E) for some draws after the other."""
    random = np.random.default_rng(examples)
    at_once = max(1, _AT_ONCE // examples)
    for first in range(0, draws, at_once):
        some = min(at_once, draws - first)
        chosen_dE = random.integers(examples, size=(some, examples))
        chosen_dE += examples * np.arange(some)[:, None]
        counts = np.bincount(chosen_dE.ravel(), minlength=some * examples)
        yield counts.reshape(some, examples).astype(np.float64)


def _scores(fractions_SE2: Floats) -> Floats:
    return np.array([ratio(one_E2) for one_E2 in fractions_SE2])


def _interval(drawn_DS: Floats, found_S: Floats) -> Interval:
    draws, seeds = drawn_DS.shape
    random = np.random.default_rng(seeds)
    chosen_DS = random.integers(seeds, size=(draws, seeds))
    over_all_D = drawn_DS.mean(1)
    over_chosen_D = np.take_along_axis(drawn_DS, chosen_DS, axis=1).mean(1)
    stretch = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 0.0
    drawn_D = over_all_D + stretch * (over_chosen_D - over_all_D)
    tail = (1 - COVERED) / 2
    low, high = np.quantile(drawn_D, [tail, 1 - tail])
    return Interval(float(found_S.mean()), float(low), float(high), seeds)
