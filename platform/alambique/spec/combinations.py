"""Combinations of the values of several lists, each by its number: there may be very many."""

from collections.abc import Sequence
from math import prod
from typing import Any

Lists = Sequence[Sequence[Any]]


def count(lists: Lists) -> int:
    """How many combinations there are."""
    return prod(map(len, lists))


def combination(lists: Lists, number: int) -> tuple[Any, ...]:
    """One of them, counted from 0; the last list changes first.

    >>> [combination(("ab", "xyz"), number) for number in (0, 1, 3)]
    [('a', 'x'), ('a', 'y'), ('b', 'x')]
    """
    found = []
    for values in reversed(lists):
        number, place = divmod(number, len(values))
        found.append(values[place])
    return tuple(reversed(found))
