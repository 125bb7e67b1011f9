"""Pairs of sentences rated by how much of what one tells the other tells as well.

A rating is 5 times the part of the names, places and years that both have in the same place of the
same event. Names that have changed places count as different, though all words are there.
"""

from collections.abc import Mapping
from functools import cache
from random import Random

from benchmarks.sample.events import EVENTS
from benchmarks.sample.splits import drawn
from benchmarks.sample.wording import euphonic, write

from alambique.spec.data import Split
from alambique.tasks.examples import Rated

SIZES: Mapping[Split, int] = {"train": 2400, "dev": 300, "test": 400}
HIGHEST = 5.0
KEPT = (0.3, 1.0)
"""How often a name stays the same is drawn between these, for each pair."""
OTHER_EVENT = 0.1
"""How often the second sentence tells of something else altogether."""
EXCHANGED = 0.5
"""How often two names have changed places."""


def pairs(split: Split) -> list[Rated]:
    """Return the pairs of a split, always the same.

    Args:
        split: "train" (2 400), "dev" (300) or "test" (400). They share no sentence.
    """
    return list(_all()[split])


@cache
def _all() -> Mapping[Split, tuple[Rated, ...]]:
    return drawn("similarities", SIZES, pair, lambda made: made.texts)


def pair(random: Random, name: str) -> Rated:
    """Return two sentences with their rating."""
    event = random.choice(EVENTS)
    names, shape = event.draw(random), random.choice(event.shapes)
    if random.random() < OTHER_EVENT:
        other = random.choice([one for one in EVENTS if one is not event])
        told, other_shape, score = other.draw(random), random.choice(other.shapes), 0.0
    else:
        others, kept = event.draw(random), random.uniform(*KEPT)
        told = {
            field: own if random.random() < kept else others[field] for field, own in names.items()
        }
        if random.random() < EXCHANGED:
            one, two = random.choice(event.exchanged)
            told = {**told, one: told[two], two: told[one]}
        same = sum(told[field] == own for field, own in names.items())
        other_shape, score = random.choice(event.shapes), round(HIGHEST * same / len(names), 2)
    first, second = write(shape, names), write(other_shape, told)
    return Rated(name, (euphonic(first.text), euphonic(second.text)), score)
