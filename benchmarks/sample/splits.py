"""The three splits, and how they keep apart."""

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import TypeVar

from alambique.spec.data import Split

T = TypeVar("T")

SEED = 20
"""Everything that the grammar makes follows from it."""

ORDER: tuple[Split, ...] = ("test", "dev", "train")
"""The order in which splits are drawn: none may use a sentence of one before it."""


def drawn(
    what: str,
    sizes: Mapping[Split, int],
    make: Callable[[Random, str], T],
    says: Callable[[T], Iterable[str]],
) -> Mapping[Split, tuple[T, ...]]:
    """The examples of each split, always the same; no two of any splits share a sentence.

    Args:
        what: a name for the randomness, so that other data is drawn otherwise.
        sizes: examples of each split.
        make: draws an example and names it.
        says: its sentences, compared without regard to case.
    """
    taken: set[str] = set()
    found: dict[Split, tuple[T, ...]] = {}
    for split in ORDER:
        random = Random(f"{SEED} {what} {split}")
        some: list[T] = []
        while len(some) < sizes[split]:
            made = make(random, f"{split}-{len(some):04}")
            said = {sentence.lower() for sentence in says(made)}
            if taken.isdisjoint(said):
                taken |= said
                some.append(made)
        found[split] = tuple(some)
    return found
