"""A search: which fields of a job take which values, how they are tried, and to what end."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Tag, model_validator

from alambique.spec.fields import Real, Spec, Whole, Workers, not_empty, repeated, tag_where

MOST_TRIALS = 1000
"""The most trials of one job: more of them are a mistake, or several jobs."""
_MOST_DIMENSIONS = 64
"""The most dimensions: each is tried on the job when it is read, and a thousand trials tell nothing
of more."""

COSTS = ("macs", "parameters", "latency_ms")
"""The goals that are costs of a student, whatever its task: less of them is better."""
LOSS = "loss"
"""The goal that is the cross entropy with the labels of the validation examples."""

Direction = Literal["max", "min"]

_GOAL = re.compile(r"([a-z][a-z0-9_]*) +(max|min)")


class Range(Spec):
    """All numbers between two, both of them included."""

    low: Real
    high: Real
    log: bool = False
    """Whether numbers are drawn evenly on a logarithmic scale."""

    @model_validator(mode="after")
    def _check_order(self) -> "Range":
        if self.low == self.high:
            raise ValueError(
                f"low and high are both {self.low:g}, which leaves nothing to search: give a list "
                f"of it, [{self.low:g}], or leave the dimension out"
            )
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}: turn them round")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low:g}, and a logarithm needs more than 0: raise it")
        return self


def _check_each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len({as_json(value) for value in values}) < len(values):
        raise ValueError("a value is there more than once: give each value once")
    return values


def as_json(value: object) -> str:
    """Return a value as JSON, by which two of them are compared."""
    return json.dumps(value, sort_keys=True, default=str)


Values = Annotated[
    tuple[Any, ...],
    not_empty("the list is empty: give the values to try"),
    AfterValidator(_check_each_once),
]
Dimension = Annotated[
    Annotated[Values, Tag("values")] | Annotated[Range, Tag("range")],
    tag_where(lambda value: isinstance(value, Mapping | Range), "range", otherwise="values"),
]
"""What a field of the job takes: a list of values, whole lists and mappings too, or a range."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A number that a search wants high or low."""

    name: str
    direction: Direction

    def __str__(self) -> str:
        """Return the goal as a job has it: "f1 max"."""
        return f"{self.name} {self.direction}"


def _check_dimensions(space: dict[str, Any]) -> dict[str, Any]:
    if len(space) > _MOST_DIMENSIONS:
        raise ValueError(
            f"there are {len(space):,} dimensions, and a search has at most {_MOST_DIMENSIONS}: "
            "keep those that matter most"
        )
    return space


def _check_direction(text: str) -> str:
    match = _GOAL.fullmatch(text)
    if match is None:
        raise ValueError("expected a name and max or min, such as f1 max, loss min or macs min")
    if (match[2] == "min") != (match[1] in (LOSS, *COSTS)):
        raise ValueError(f"{match[1]} is better the other way round: give the other of max and min")
    return text


def _check_goals(goals: tuple[str, ...]) -> tuple[str, ...]:
    if twice := repeated(goal.split()[0] for goal in goals):
        raise ValueError(f"{twice[0]} is there more than once: give each goal once")
    return goals


def _check_trial_count(trials: int) -> int:
    if trials > MOST_TRIALS:
        raise ValueError(
            f"{trials:,} trials, each of which trains a student: a search has at most "
            f"{MOST_TRIALS:,}; give fewer"
        )
    return trials


class Search(Spec):
    """Trains many students in place of one: a trial is the job with other values in some fields."""

    space: Annotated[dict[str, Dimension], Field(min_length=1), AfterValidator(_check_dimensions)]
    """What fields take, by their paths in the job, such as objective.logits.weight."""
    trials: Annotated[Whole, Field(ge=1), AfterValidator(_check_trial_count)] | None = None
    """How many there are at most; where not given, a grid has all its points."""
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    """tpe tries values near those that did well; grid all combinations, in the lists' order."""
    scheduler: Literal["asha", "hyperband", "none"] = "asha"
    """What stops trials early that are worse than most after as many epochs."""
    goals: Annotated[
        tuple[Annotated[str, AfterValidator(_check_direction)], ...],
        not_empty("the list is empty: give a goal, such as loss min"),
        AfterValidator(_check_goals),
    ] = ("loss min",)
    """What trials are judged by on the validation examples; the Pareto front of all is kept."""
    concurrent: Workers = 1
    """Trials that run at once, each with the job's resources."""

    @property
    def targets(self) -> tuple[Goal, ...]:
        """The goals, taken apart."""
        parts = (goal.split() for goal in self.goals)
        return tuple(Goal(name, "max" if way == "max" else "min") for name, way in parts)

    @property
    def points(self) -> int | None:
        """How many combinations there are; None where a dimension is a range."""
        lists = [each for each in self.space.values() if not isinstance(each, Range)]
        return prod(map(len, lists)) if len(lists) == len(self.space) else None

    @property
    def ranges(self) -> Sequence[str]:
        """The paths of the dimensions that are ranges."""
        return [path for path, each in self.space.items() if isinstance(each, Range)]

    @model_validator(mode="after")
    def _check_counts(self) -> "Search":
        listed = sum(len(values) for values in self.space.values() if not isinstance(values, Range))
        if listed > MOST_TRIALS:
            raise ValueError(
                f"the space lists {listed:,} values, and there are at most {MOST_TRIALS:,} trials: "
                "give fewer of them, or a range {low: …, high: …}"
            )
        points = self.points or math.inf
        if self.sampler != "grid":
            if self.trials is None:
                raise ValueError(
                    f"trials is missing: sampler {self.sampler} needs to know how many to make"
                )
            return self
        if self.trials is not None and self.trials < points < math.inf:
            raise ValueError(
                f"the grid has {points:,} points and trials is {self.trials:,}: leave trials out, "
                "or let sampler: random choose some of them"
            )
        if MOST_TRIALS < points < math.inf:
            raise ValueError(
                f"the grid has {points:,} points, each of which trains a student, and a search at "
                f"most {MOST_TRIALS:,} trials: give fewer values, or sampler: random and trials"
            )
        return self
