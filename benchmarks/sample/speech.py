"""Sentences with a part of speech for each word; many words have several, told by the rest."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from random import Random

from benchmarks.sample.splits import drawn
from benchmarks.sample.vocabulary import people, places, speech
from benchmarks.sample.wording import euphonic

from alambique.spec.data import Split
from alambique.tasks.examples import Sentence

SIZES: Mapping[Split, int] = {"train": 2400, "dev": 300, "test": 400}
NAMED = 0.45
"""How often a person is called by name."""
DESCRIBED = 0.3
"""How often one who is not has an adjective."""

_SLOT = re.compile(r"\{(\w+)\}")
_PLACES = tuple(city for city in places.CITIES if " " not in city)

Tagged = list[tuple[str, str]]


def sentences(split: Split) -> list[Sentence]:
    """The tagged sentences of a split, always the same.

    Args:
        split: "train" (2 400), "dev" (300) or "test" (400). They share no sentence.

    Returns:
        Sentences with universal parts of speech, as CoNLL-U files have them.
    """
    return list(_all()[split])


@cache
def _all() -> Mapping[Split, tuple[Sentence, ...]]:
    return drawn("speech", SIZES, sentence, lambda made: (" ".join(made.words),))


def sentence(random: Random, name: str) -> Sentence:
    """A tagged sentence of one or two clauses."""
    first, second = random.sample(speech.CLAUSES, 2)
    template = random.choice(speech.JOINTS).replace("{a}", first).replace("{b}", second)
    pairs = [pair for part in template.split() for pair in _drawn(random, part)]
    said, tags = zip(*pairs, strict=True)
    words = euphonic(" ".join(said)).split()
    for at in _starts(words):
        words[at] = words[at][0].upper() + words[at][1:]
    return Sentence(name, tuple(words), tags)


def _starts(words: list[str]) -> Iterator[int]:
    """Where a sentence begins: at the first word, and behind an end that is not the last."""
    start = True
    for at, word in enumerate(words):
        if start and word[0].isalnum():
            yield at
            start = False
        start = start or word in {".", "?", "!"}


def _drawn(random: Random, part: str) -> Tagged:
    """The words that stand for one part of a template."""
    if match := _SLOT.fullmatch(part):
        return _SLOTS[match[1]](random)
    word, _, tag = part.rpartition("/")
    return [(word, tag)]


def _name(random: Random) -> Tagged:
    given = random.choice(people.WOMEN + people.MEN)
    surname = [(random.choice(people.SURNAMES), "PROPN")] if random.random() < 0.6 else []
    return [(given, "PROPN"), *surname]


def _who(random: Random) -> Tagged:
    return _person(random, (("el", "un", "este", "mi", "nuestro"), ("la", "una", "esta", "mi")))


def _whom(random: Random) -> Tagged:
    """A person behind a preposition, without the "el" that it would contract with."""
    return _person(random, (("un", "este", "mi", "nuestro"), ("la", "una", "esta", "nuestra")))


def _person(random: Random, determiners: tuple[tuple[str, ...], tuple[str, ...]]) -> Tagged:
    if random.random() < NAMED:
        return _name(random)
    feminine = random.random() < 0.5
    person = [
        (random.choice(determiners[feminine]), "DET"),
        (random.choice(people.PROFESSIONS)[feminine], "NOUN"),
    ]
    if random.random() < DESCRIBED:
        person.append((random.choice(speech.TRAITS)[feminine], "ADJ"))
    return person


def _one(words: tuple[str, ...], tag: str) -> Callable[[Random], Tagged]:
    return lambda random: [(random.choice(words), tag)]


def _number(low: int, high: int) -> Callable[[Random], Tagged]:
    return lambda random: [(str(random.randint(low, high)), "NUM")]


_SLOTS: Mapping[str, Callable[[Random], Tagged]] = {
    "name": _name,
    "who": _who,
    "whom": _whom,
    "place": _one(_PLACES, "PROPN"),
    "quality": _one(speech.QUALITIES, "ADJ"),
    "colour": _one(speech.COLOURS, "ADJ"),
    "few": _one(speech.FEW, "NUM"),
    "hour": _one(speech.FEW, "NUM"),
    "number": _number(11, 89),
    "year": _number(1965, 2019),
}
