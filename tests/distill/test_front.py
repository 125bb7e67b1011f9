"""Laws of fronts, of the area under them, and of what else is said of speed and score."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.distill.front import (
    Point,
    balance,
    best_of,
    front,
    front_of,
    hypervolume,
    retention,
    score_per_octave,
)
from alambique.spec.search import Direction, Goal

COSTS = st.integers(1, 50).map(float)
SCORES = st.integers(0, 20).map(lambda number: number / 20)
POINTS = st.lists(st.tuples(COSTS, SCORES), max_size=12)
WAYS: tuple[Direction, Direction] = ("min", "max")
REFERENCE = (60.0, 0.0)


def dominates(one: Point, other: Point) -> bool:
    return one != other and one[0] <= other[0] and one[1] >= other[1]


@given(POINTS)
def test_a_front_is_what_nothing_dominates(points: list[Point]) -> None:
    found = [points[i] for i in front(points, WAYS)]
    assert len(set(found)) == len(found)
    assert not any(dominates(one, other) for one in found for other in found)
    assert all(one in found or any(dominates(other, one) for other in found) for one in points)


@given(POINTS)
def test_the_front_of_a_front_is_itself(points: list[Point]) -> None:
    found = [points[i] for i in front(points, WAYS)]
    assert front(found, WAYS) == tuple(range(len(found)))


@given(POINTS.flatmap(lambda points: st.tuples(st.just(points), st.permutations(points))))
def test_a_front_does_not_depend_on_the_order(both: tuple[list[Point], list[Point]]) -> None:
    points, mixed = both
    assert {points[i] for i in front(points, WAYS)} == {mixed[i] for i in front(mixed, WAYS)}


@given(st.lists(SCORES, min_size=1, max_size=9))
def test_of_one_goal_the_first_best_is_left(scores: list[float]) -> None:
    (found,) = front([[score] for score in scores], ["max"])
    assert found == scores.index(max(scores))


def test_a_point_that_is_not_finite_is_on_no_front() -> None:
    assert front([(math.nan, 0.9), (1.0, 0.5), (0.5, math.inf)], WAYS) == (1,)
    assert front([], WAYS) == ()


@given(POINTS, COSTS, SCORES)
def test_a_point_more_never_takes_area_away(points: list[Point], cost: float, score: float) -> None:
    before, after = (hypervolume(p, REFERENCE) for p in (points, [*points, (cost, score)]))
    assert after >= before
    if any(dominates(one, (cost, score)) or one == (cost, score) for one in points):
        assert after == pytest.approx(before)


@given(POINTS)
def test_the_area_is_that_of_the_front_alone(points: list[Point]) -> None:
    found = [points[i] for i in front(points, WAYS)]
    assert hypervolume(found, REFERENCE) == pytest.approx(hypervolume(points, REFERENCE))


@given(POINTS)
def test_the_area_is_the_cells_that_are_dominated(points: list[Point]) -> None:
    cells = sum(
        any(cost <= x and score >= (y + 1) / 20 for cost, score in points)
        for x in range(60)
        for y in range(20)
    )
    assert hypervolume(points, REFERENCE) == pytest.approx(cells / 20)


@given(POINTS)
def test_the_balance_is_a_part_of_one(points: list[Point]) -> None:
    assert 0 <= balance(points, 60.0) <= 1
    doubled = [(2 * cost, score) for cost, score in points]
    assert balance(doubled, 120.0) == pytest.approx(balance(points, 60.0))


def test_beyond_the_reference_there_is_nothing() -> None:
    assert hypervolume([(60.0, 0.9), (70.0, 1.0), (10.0, 0.0)], REFERENCE) == 0


@given(st.lists(COSTS, min_size=2, unique=True), st.floats(-1, 1), st.floats(-1, 1))
def test_on_a_line_an_octave_is_its_slope(costs: list[float], slope: float, at: float) -> None:
    points = [(cost, at + slope * math.log2(cost)) for cost in costs]
    assert score_per_octave(points) == pytest.approx(slope, abs=1e-9)


def test_no_octave_where_all_cost_the_same() -> None:
    assert score_per_octave([(2.0, 0.5), (2.0, 0.6)]) is None
    assert score_per_octave([]) is None


def test_retention_is_a_part_of_the_teachers_score() -> None:
    assert retention(0.6, 0.8) == pytest.approx(0.75)
    assert retention(0.5, 0.0) is None


F1, MACS, LOSS = Goal("f1", "max"), Goal("macs", "min"), Goal("loss", "min")
MEASURED = {
    1: {"f1": 0.7, "macs": 10.0, "loss": 0.5},
    2: {"f1": 0.9, "macs": 30.0, "loss": 0.3},
    3: {"f1": 0.8, "macs": 20.0, "loss": 0.6},
    4: {"f1": 0.6, "macs": 40.0, "loss": 0.2},
    5: {"macs": 1.0},
}


@pytest.mark.parametrize(
    ("goals", "numbers"),
    [
        ((F1, MACS), (1, 3, 2)),
        ((MACS, F1), (2, 3, 1)),
        ((LOSS, MACS), (1, 2, 4)),
        ((F1,), (2,)),
        ((LOSS,), (4,)),
        ((MACS,), (5,)),
    ],
)
def test_the_best_by_the_first_goal_comes_last(
    goals: tuple[Goal, ...], numbers: tuple[int, ...]
) -> None:
    assert front_of(goals, MEASURED) == numbers


def test_of_no_trials_none_is_best() -> None:
    assert best_of(F1, [], MEASURED) is None
    assert front_of((F1,), {}) == ()
