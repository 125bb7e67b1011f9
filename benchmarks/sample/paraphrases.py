"""Pairs of sentences in nearly the same words: the same event told again, or another one.

As in PAWS, what differs between the classes is who did what, not which words there are.
"""

from collections.abc import Mapping
from functools import cache
from random import Random

from benchmarks.sample.events import EVENTS, Names
from benchmarks.sample.splits import drawn
from benchmarks.sample.wording import euphonic, write

from alambique.spec.data import Split
from alambique.tasks.examples import Labelled

SIZES: Mapping[Split, int] = {"train": 2400, "dev": 300, "test": 400}
LABELS = ("0", "1")
"""Another event, the same event."""
SAME_SHAPE = 0.15
"""How often another event is told in the same order."""


def pairs(split: Split) -> list[Labelled]:
    """The pairs of a split, always the same.

    Args:
        split: "train" (2 400), "dev" (300) or "test" (400). They share no sentence.

    Returns:
        Two sentences each, labelled "1" where they say the same, else "0".
    """
    return list(_all()[split])


@cache
def _all() -> Mapping[Split, tuple[Labelled, ...]]:
    return drawn("paraphrases", SIZES, pair, lambda made: made.texts)


def pair(random: Random, name: str) -> Labelled:
    """Two sentences, with either label."""
    event = random.choice(EVENTS)
    names = event.draw(random)
    label = random.choice(LABELS)
    shape, other = random.sample(event.shapes, 2)
    told = names if label == "1" else _exchanged(names, *random.choice(event.exchanged))
    if label == "0" and random.random() < SAME_SHAPE:
        other = shape
    one, two = write(shape, names), write(other, told)
    return Labelled(name, (euphonic(one.text), euphonic(two.text)), label)


def _exchanged(names: Names, one: str, other: str) -> Names:
    return {**names, one: names[other], other: names[one]}
