"""News items of four topics; each also has sentences of another one, so that no word decides."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from random import Random

from benchmarks.sample import values
from benchmarks.sample.splits import drawn
from benchmarks.sample.vocabulary import places
from benchmarks.sample.vocabulary.topics import TOPICS

from alambique.spec.data import Split
from alambique.tasks.examples import Labelled

SIZES: Mapping[Split, int] = {"train": 2400, "dev": 300, "test": 400}
LABELS = tuple(TOPICS)
MIXTURES = ((3, 1), (3, 2), (4, 2), (4, 3))
"""Sentences of the topic, and of another one."""

_SLOT = re.compile(r"\{(\w+)\}")


def documents(split: Split) -> list[Labelled]:
    """The documents of a split, always the same.

    Args:
        split: "train" (2 400), "dev" (300) or "test" (400). They share no sentence.

    Returns:
        Texts of four to seven sentences, labelled with the topic of most of them.
    """
    return list(_all()[split])


@cache
def _all() -> Mapping[Split, tuple[Labelled, ...]]:
    return drawn("documents", SIZES, document, sentences_of)


def sentences_of(document: Labelled) -> list[str]:
    """The sentences of a document; none of them holds a full stop."""
    (text,) = document.texts
    return [f"{sentence}." for sentence in text.removesuffix(".").split(". ")]


def document(random: Random, name: str) -> Labelled:
    """A document about any topic."""
    topic, other = random.sample(LABELS, 2)
    most, few = random.choice(MIXTURES)
    templates = random.sample(TOPICS[topic], most) + random.sample(TOPICS[other], few)
    random.shuffle(templates)
    sentences = (_told(random, template) for template in templates)
    return Labelled(name, (" ".join(sentences),), topic)


def _told(random: Random, template: str) -> str:
    text = _SLOT.sub(lambda match: _SLOTS[match[1]](random), template)
    return f"{text[0].upper()}{text[1:]}."


def _town(random: Random) -> str:
    return f"{random.choice(places.TOWN_HEADS)} {random.choice(places.TOWN_TAILS)}"


_SLOTS: Mapping[str, Callable[[Random], str]] = {
    "person": lambda random: values.person(random).text,
    "town": _town,
    "city": lambda random: random.choice(places.CITIES),
    "month": lambda random: random.choice(places.MONTHS),
    "number": lambda random: str(random.randint(12, 98)),
    "few": lambda random: str(random.randint(2, 9)),
    "year": lambda random: str(random.randint(1995, 2022)),
}
