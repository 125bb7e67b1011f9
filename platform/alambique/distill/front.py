"""The Pareto front of students by their goals, and numbers that summarise it.

A point holds the values of one student, one for each goal. Plain numbers: no tensors.
"""

import math
from collections.abc import Mapping, Sequence

from alambique.spec.search import Direction, Goal

Point = tuple[float, float]
"""The cost of a student, which is to be low, and its score, which is to be high."""


def front(points: Sequence[Sequence[float]], directions: Sequence[Direction]) -> tuple[int, ...]:
    """Return the numbers of the points that no other point dominates.

    A point dominates another if it is as good by every goal and better by one. Of equal points the
    first alone is on the front. A point with a number that is not finite never is.

    >>> front([(0.9, 100), (0.8, 50), (0.7, 60), (0.8, 50)], ["max", "min"])
    (0, 1)

    Args:
        points: for each, a number for each goal.
        directions: for each goal, which way is better.
    """
    signs = [1.0 if direction == "max" else -1.0 for direction in directions]
    signed = [[s * x for s, x in zip(signs, point, strict=True)] for point in points]
    finite = [i for i, point in enumerate(signed) if all(map(math.isfinite, point))]
    return tuple(i for i in finite if not any(_is_dominated(signed, i, j) for j in finite))


def _is_dominated(points: Sequence[Sequence[float]], i: int, j: int) -> bool:
    """Return whether point j dominates point i, or equals it and comes first; more is better."""
    if points[i] == points[j]:
        return j < i
    return all(theirs >= ours for ours, theirs in zip(points[i], points[j], strict=True))


def front_of(goals: Sequence[Goal], measured: Mapping[int, Mapping[str, float]]) -> tuple[int, ...]:
    """Return the numbers of the trials on the front, the best by the first goal last.

    The others are in the order of their costs, if a goal is a cost, else of the first goal.

    Args:
        goals: of the search.
        measured: the values of each trial by its number; a trial that lacks a goal is not on the
            front.
    """
    complete = [n for n in sorted(measured) if all(goal.name in measured[n] for goal in goals)]
    points = [[measured[n][goal.name] for goal in goals] for n in complete]
    numbers = [complete[i] for i in front(points, [goal.direction for goal in goals])]
    first, *others = goals
    order = next((goal for goal in others if goal.direction == "min"), first)
    numbers.sort(key=lambda n: _badness(order, measured[n]), reverse=order is first)
    return tuple(sorted(numbers, key=lambda n: n == best_of(first, numbers, measured)))


def best_of(
    goal: Goal, numbers: Sequence[int], measured: Mapping[int, Mapping[str, float]]
) -> int | None:
    """Return the first trial that is best by a goal; None if there is no trial."""
    return min(numbers, key=lambda n: (_badness(goal, measured[n]), n), default=None)


def _badness(goal: Goal, measured: Mapping[str, float]) -> float:
    value = measured[goal.name]
    return -value if goal.direction == "max" else value


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Return the area that the points dominate, up to a reference.

    The hypervolume of two goals (Zitzler and Thiele, 1998): of all (cost, score) with cost ≤
    reference cost and score ≥ reference score, those for which some point costs no more and scores
    no less. Points beyond the reference add nothing.

    >>> hypervolume([(1, 0.5), (2, 0.75)], reference=(4, 0))
    2.0
    """
    most, least = reference
    area, best = 0.0, least
    within = [(cost, score) for cost, score in points if cost < most and score > least]
    for cost, score in sorted(within, key=lambda point: (point[0], -point[1])):
        if score > best:
            area += (most - cost) * (score - best)
            best = score
    return area


def balance(points: Sequence[Point], reference: float) -> float:
    """Return the hypervolume as a fraction of the greatest: 1 is a perfect score at no cost.

    The greatest is from no cost to a reference cost, such as the teacher's, and scores of 0 to 1.

    >>> balance([(1, 0.5), (2, 0.75)], reference=4)
    0.5
    """
    return hypervolume(points, (reference, 0.0)) / reference


def score_per_octave(points: Sequence[Point]) -> float | None:
    """Return how much the score rises when the cost doubles: the slope of score over log2(cost).

    The slope is that of least squares over the points, b = Σ(x - x̄)(y - ȳ) / Σ(x - x̄)² with
    x = log2(cost). It is None if all points cost the same, or there is one alone.

    >>> score_per_octave([(100, 0.5), (200, 0.6), (400, 0.7)])
    0.1
    """
    x = [math.log2(cost) for cost, _ in points]
    if len(set(x)) < 2:
        return None
    x_mean, y_mean = math.fsum(x) / len(x), math.fsum(score for _, score in points) / len(x)
    covariance = math.fsum(
        (xi - x_mean) * (score - y_mean) for xi, (_, score) in zip(x, points, strict=True)
    )
    return round(covariance / math.fsum((xi - x_mean) ** 2 for xi in x), 12)


def retention(student: float, teacher: float) -> float | None:
    """Return the fraction of the teacher's score that a student keeps; None if that score is 0.

    >>> retention(0.75, 1.0)
    0.75
    """
    return student / teacher if teacher > 0 else None
