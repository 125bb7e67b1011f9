"""The gains of students over their baselines: pairs of both, with intervals of the difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from alambique.registry import example_scores
from alambique.registry.database import Database
from alambique.registry.records import ScoredStudent
from alambique.tasks.bootstrap import Floats, Interval, differences, unpack_fractions


@dataclass(frozen=True, slots=True)
class Pair:
    """A student and its baseline, each once for every seed, in the same order."""

    ours: tuple[ScoredStudent, ...]
    theirs: tuple[ScoredStudent, ...]


class Gains(Protocol):
    """A function from pairs to the differences of their scores."""

    def __call__(self, pairs: Sequence[Pair], /) -> Mapping[Pair, Interval]:
        """Return the difference of each pair whose example scores are known."""


@dataclass(slots=True)
class StoredGains:
    """Gains from the example scores in the registry; each pair is computed once and then kept."""

    database: Database
    known: dict[Pair, Interval] = field(default_factory=dict)

    def __call__(self, pairs: Sequence[Pair], /) -> Mapping[Pair, Interval]:
        """Return the difference of each pair whose example scores the registry has."""
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self.known]
        if new:
            students = [one for pair in new for one in (*pair.ours, *pair.theirs)]
            with self.database.read() as session:
                stored = example_scores.of_students(session, students)
            by_pair = {pair: _score_pair(pair, stored) for pair in new}
            complete = {pair: scores for pair, scores in by_pair.items() if scores is not None}
            intervals = differences(list(complete.values()))
            self.known.update(zip(complete, intervals, strict=True))
        return {pair: self.known[pair] for pair in pairs if pair in self.known}


def _score_pair(pair: Pair, stored: Mapping[ScoredStudent, bytes]) -> tuple[Floats, Floats] | None:
    """Return the example scores (S, E, 2) of both; None if some are missing or of another set."""
    if any(one not in stored for one in (*pair.ours, *pair.theirs)):
        return None
    scores = [unpack_fractions(stored[one]) for one in (*pair.ours, *pair.theirs)]
    if len({one.shape for one in scores}) > 1:
        return None
    seeds = len(pair.ours)
    return np.stack(scores[:seeds]), np.stack(scores[seeds:])
