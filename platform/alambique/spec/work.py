"""How much a job or a suite makes us look at before it is taken, from its content alone."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

WORK = 1_500_000
"""What is looked at for one document, counted in names and values: some two seconds. Of a suite all
cells count, and up to five hundred combinations of the search in each."""
_DEFAULTS = 100
"""Fields that a job has without saying them."""
_TRIED = 200
"""What one try of a search makes us look at, besides the terms of its objectives."""
_TERMS = 8
"""How often a try looks at what a term says: it is read anew, and compared with two networks."""
_COMBINATIONS = 500
"""Combinations of the values of a search that are looked at (`spec.combinations`)."""


def work_of(content: Mapping[str, Any]) -> int:
    """Return the names and values that are looked at for a job of that content.

    >>> work_of({"task": "t"}), work_of({"search": {"space": {"student.layers": [1, 2]}}})
    (102, 1404)
    """
    once = _DEFAULTS + nodes_of(content, WORK)
    if not _space(content):
        return once
    first = content.get("intermediate")
    first_objective = first.get("objective") if isinstance(first, dict) else None
    terms = nodes_of((content.get("objective"), first_objective), WORK)
    return once + _trial_jobs(content) * (_TRIED + _TERMS * terms)


def _trial_jobs(content: Mapping[str, Any]) -> int:
    """Return how many jobs are made of a search: one of each value, and of combinations of them.

    Students are made of these for each candidate of the first teacher.
    """
    counts = {
        path: len(values) if isinstance(values, list) else 2
        for path, values in _space(content).items()
    }
    # of numbers of the training the least and the greatest stand for all
    together = (
        min(count, 2) if str(path).startswith("train.") else count for path, count in counts.items()
    )
    return sum(counts.values()) + min(_COMBINATIONS, prod(together)) * (1 + _candidates(content))


def _candidates(content: Mapping[str, Any]) -> int:
    teacher = content.get("teacher")
    first = teacher[0] if isinstance(teacher, list | tuple) and teacher else teacher
    candidates = first.get("candidates") if isinstance(first, dict) else None
    return max(1, len(candidates)) if isinstance(candidates, list | tuple) else 1


def nodes_of(value: object, most: int) -> int:
    """Return the names and values in a value, counted until there are more than `most`.

    By aliases of YAML a value may hold itself, or another one over and over.

    >>> nodes_of({"a": [1, 2], "b": {}}, 100)
    6
    """
    left, nodes = [value], 0
    while left and nodes <= most:
        inner = tuple(inner_values(left.pop()))
        nodes += len(inner)
        left += inner
    return nodes


def inner_values(value: object) -> Iterable[object]:
    """Return what is directly in a value; of a mapping its names too."""
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, list | tuple) else ()


def _space(content: Mapping[str, Any]) -> Mapping[str, Any]:
    search = content.get("search")
    space = search.get("space") if isinstance(search, dict) else None
    return space if isinstance(space, dict) else {}
