"""The cost of validating a job or a suite, estimated from its content before it is read."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

MAX_COST = 1_500_000
"""The highest cost of one document, in names and values that are validated: some two seconds. All
cells of a suite count, and up to five hundred combinations of the search in each."""
_DEFAULTS = 100
"""Fields of a job that have defaults."""
_TRIAL_JOB = 200
"""The cost of one trial's job, without the terms of its objectives."""
_TERMS = 8
"""How often a term is validated for one trial's job: it is read anew, and compared with two
networks."""
_COMBINATIONS = 500
"""Combinations of the values of a search that are validated (`spec.combinations`)."""


def validation_cost(content: Mapping[str, Any]) -> int:
    """Return the cost of validating a job of that content, in names and values.

    >>> search = {"space": {"student.layers": [1, 2]}}
    >>> validation_cost({"task": "t"}), validation_cost({"search": search})
    (102, 1404)
    """
    once = _DEFAULTS + count_nodes(content, MAX_COST)
    if not _space(content):
        return once
    first = content.get("intermediate")
    first_objective = first.get("objective") if isinstance(first, dict) else None
    terms = count_nodes((content.get("objective"), first_objective), MAX_COST)
    return once + _trial_jobs(content) * (_TRIAL_JOB + _TERMS * terms)


def _trial_jobs(content: Mapping[str, Any]) -> int:
    """Return how many jobs are validated for a search: one for each value and each combination.

    The students of combinations are made for each candidate of the first teacher.
    """
    counts = {
        path: len(values) if isinstance(values, list) else 2
        for path, values in _space(content).items()
    }
    # of the numbers of a field of the training, only the lowest and the highest are combined
    together = (
        min(count, 2) if str(path).startswith("train.") else count for path, count in counts.items()
    )
    return sum(counts.values()) + min(_COMBINATIONS, prod(together)) * (1 + _candidates(content))


def _candidates(content: Mapping[str, Any]) -> int:
    teacher = content.get("teacher")
    first = teacher[0] if isinstance(teacher, list | tuple) and teacher else teacher
    candidates = first.get("candidates") if isinstance(first, dict) else None
    return max(1, len(candidates)) if isinstance(candidates, list | tuple) else 1


def count_nodes(value: object, most: int) -> int:
    """Return the number of names and values in a value, counted until there are more than `most`.

    With aliases of YAML a value may contain itself, or another one many times.

    >>> count_nodes({"a": [1, 2], "b": {}}, 100)
    6
    """
    left, nodes = [value], 0
    while left and nodes <= most:
        inner = tuple(inner_values(left.pop()))
        nodes += len(inner)
        left += inner
    return nodes


def inner_values(value: object) -> Iterable[object]:
    """Return the items of a list, or the names and values of a mapping; nothing for a scalar."""
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, list | tuple) else ()


def _space(content: Mapping[str, Any]) -> Mapping[str, Any]:
    search = content.get("search")
    space = search.get("space") if isinstance(search, dict) else None
    return space if isinstance(space, dict) else {}
