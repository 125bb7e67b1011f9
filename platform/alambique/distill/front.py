"""How cheap and how good students are together: their Pareto front, and one number for it.

A point is what one student has of each goal. Plain numbers: no tensors.
"""

import math
from collections.abc import Mapping, Sequence

from alambique.spec.search import Direction, Goal

Point = tuple[float, float]
"""What a student costs (to be low), and its score (to be high)."""


def front(points: Sequence[Sequence[float]], directions: Sequence[Direction]) -> tuple[int, ...]:
    """Which points no other dominates: is as good by every goal, and better by one.

    Of equal points only the first is there; none with a number that is not finite.

    >>> front([(0.9, 100), (0.8, 50), (0.7, 60), (0.8, 50)], ["max", "min"])
    (0, 1)

    Args:
        points: for each, a number for each goal.
        directions: for each goal, which way is better.
    """
    signs = [1.0 if direction == "max" else -1.0 for direction in directions]
    turned = [[s * x for s, x in zip(signs, point, strict=True)] for point in points]
    able = [i for i, point in enumerate(turned) if all(map(math.isfinite, point))]
    return tuple(i for i in able if not any(_beaten(turned, i, j) for j in able))


def _beaten(points: Sequence[Sequence[float]], i: int, j: int) -> bool:
    """Whether point j, by which more is better, takes the place of point i."""
    if points[i] == points[j]:
        return j < i
    return all(theirs >= ours for ours, theirs in zip(points[i], points[j], strict=True))


def front_of(goals: Sequence[Goal], measured: Mapping[int, Mapping[str, float]]) -> tuple[int, ...]:
    """The numbers of the trials on the front, the best by the first goal last.

    The others come by what they cost, if a goal is a cost, else by the first goal.

    Args:
        goals: of the search.
        measured: by a trial's number what it has; one that lacks a goal is not on the front.
    """
    able = [n for n in sorted(measured) if all(goal.name in measured[n] for goal in goals)]
    points = [[measured[n][goal.name] for goal in goals] for n in able]
    found = [able[i] for i in front(points, [goal.direction for goal in goals])]
    first, *others = goals
    order = next((goal for goal in others if goal.direction == "min"), first)
    found.sort(key=lambda n: _badness(order, measured[n]), reverse=order is first)
    return tuple(sorted(found, key=lambda n: n == best_of(first, found, measured)))


def best_of(
    goal: Goal, numbers: Sequence[int], measured: Mapping[int, Mapping[str, float]]
) -> int | None:
    """The first trial that is best by a goal; None where there is none."""
    return min(numbers, key=lambda n: (_badness(goal, measured[n]), n), default=None)


def _badness(goal: Goal, measured: Mapping[str, float]) -> float:
    value = measured[goal.name]
    return -value if goal.direction == "max" else value


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The area in which every place is dominated by a point, up to a reference.

    Zitzler and Thiele (1998), of two goals: of all (cost, score) with cost ≤ reference cost and
    score ≥ reference score, those for which some point costs no more and scores no less. Points
    beyond the reference add nothing.

    >>> hypervolume([(1, 0.5), (2, 0.75)], reference=(4, 0))
    2.0
    """
    most, least = reference
    area, best = 0.0, least
    inside = [(cost, score) for cost, score in points if cost < most and score > least]
    for cost, score in sorted(inside, key=lambda point: (point[0], -point[1])):
        if score > best:
            area += (most - cost) * (score - best)
            best = score
    return area


def balance(points: Sequence[Point], reference: float) -> float:
    """The hypervolume as a part of all there is: 1 would be a perfect score at no cost.

    All there is: from no cost to the reference's, such as the teacher's, and scores of 0 to 1.

    >>> balance([(1, 0.5), (2, 0.75)], reference=4)
    0.5
    """
    return hypervolume(points, (reference, 0.0)) / reference


def score_per_octave(points: Sequence[Point]) -> float | None:
    """How much the score rises when the cost doubles: the slope of score over log2(cost).

    By least squares over the points, b = Σ(x - x̄)(y - ȳ) / Σ(x - x̄)² with x = log2(cost); None
    where all cost the same, or there is only one.

    >>> score_per_octave([(100, 0.5), (200, 0.6), (400, 0.7)])
    0.1
    """
    x = [math.log2(cost) for cost, _ in points]
    if len(set(x)) < 2:
        return None
    middle, mean = math.fsum(x) / len(x), math.fsum(score for _, score in points) / len(x)
    along = math.fsum(
        (xi - middle) * (score - mean) for xi, (_, score) in zip(x, points, strict=True)
    )
    return round(along / math.fsum((xi - middle) ** 2 for xi in x), 12)


def retention(student: float, teacher: float) -> float | None:
    """The part of the teacher's score that a student keeps; None where the teacher has none.

    >>> retention(0.75, 1.0)
    0.75
    """
    return student / teacher if teacher > 0 else None
