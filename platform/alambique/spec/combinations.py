"""Combinations of the values of several lists, each by its number: there may be very many."""

from collections.abc import Iterable, Sequence
from math import prod
from random import Random
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


def spread(lists: Lists, most: int) -> Iterable[int]:
    """The numbers of all combinations; of very many the first, the last, and some of everywhere.

    >>> list(spread(("ab", "xyz"), 6))
    [0, 1, 2, 3, 4, 5]
    """
    every, chance = count(lists), Random(0)  # always the same ones
    if every <= most:
        return range(every)
    # not by sample, for which there may be too many
    return sorted({0, every - 1, *(chance.randrange(every) for _ in range(most - 2))})
