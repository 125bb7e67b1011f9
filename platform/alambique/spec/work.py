"""How much a job or a suite makes us look at before it is taken, from its content alone."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

WORK = 2_000_000
"""Names and values that are looked at for one document, again for each value of a search and each
cell of a suite: a few seconds. A suite of a dozen searches over five hundred combinations has as
many."""
_DEFAULTS = 100
"""Fields that a job has without saying them."""
_COMBINATIONS = 500
"""Of the values of a search, that are looked at together (`spec.tries`)."""


def work_of(content: Mapping[str, Any]) -> int:
    """The names and values that are looked at for a job of that content.

    >>> work_of({"task": "t"}), work_of({"search": {"space": {"student.layers": [1, 2]}}})
    (102, 540)
    """
    lists = [len(one) if isinstance(one, list) else 2 for one in _space(content).values()]
    tries = sum(lists) + min(_COMBINATIONS, prod(lists)) if lists else 0
    return (1 + tries) * (_DEFAULTS + nodes_of(content, WORK))


def nodes_of(value: object, most: int) -> int:
    """The names and values in a value, counted until there are more than `most`.

    By aliases of YAML a value may hold itself, or another one over and over.

    >>> nodes_of({"a": [1, 2], "b": {}}, 100)
    6
    """
    left, nodes = [value], 0
    while left and nodes <= most:
        inner = tuple(within(left.pop()))
        nodes += len(inner)
        left += inner
    return nodes


def within(value: object) -> Iterable[object]:
    """What is directly in a value: of a mapping the names too."""
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, list | tuple) else ()


def _space(content: Mapping[str, Any]) -> Mapping[str, Any]:
    search = content.get("search")
    space = search.get("space") if isinstance(search, dict) else None
    return space if isinstance(space, dict) else {}
