"""Sentences whose names are tagged; a word alone does not tell the type of its name."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from random import Random

from benchmarks.sample.splits import ORDER, SEED
from benchmarks.sample.vocabulary import institutions, news, people, places

from alambique.spec.data import Split
from alambique.tasks.examples import Sentence

SIZES: Mapping[Split, int] = {"train": 2400, "dev": 300, "test": 400}

_SLOT = re.compile(r"\{(\w+)\}")


def sentences(split: Split) -> list[Sentence]:
    """The tagged sentences of a split, always the same.

    Args:
        split: "train" (2 400), "dev" (300) or "test" (400). They share no sentence.

    Returns:
        Sentences tagged O, B- and I- of PER, ORG, LOC and MISC, as CoNLL-2002 has them.
    """
    return list(_all()[split])


@cache
def _all() -> Mapping[Split, tuple[Sentence, ...]]:
    taken: set[tuple[str, ...]] = set()
    found: dict[Split, tuple[Sentence, ...]] = {}
    for split in ORDER:
        random = Random(f"{SEED} sentences {split}")
        some: list[Sentence] = []
        while len(some) < SIZES[split]:
            made = sentence(random, f"{split}-{len(some):04}")
            if _told(made) not in taken:
                taken.add(_told(made))
                some.append(made)
        found[split] = tuple(some)
    return found


@cache
def held_out() -> frozenset[tuple[str, ...]]:
    """The words of every sentence of dev or test, in lower case, without its dateline."""
    made = _all()
    return frozenset(_told(sentence) for sentence in (*made["dev"], *made["test"]))


def headlines(seed: int) -> Iterator[str]:
    """Endless other sentences, words and punctuation apart; none is of dev or test."""
    random = Random(f"{SEED} headlines {seed}")
    held = held_out()
    while True:
        if _told(made := sentence(random, "headline")) not in held:
            yield " ".join(made.words)


def _told(sentence: Sentence) -> tuple[str, ...]:
    """What stands behind a dateline may stand alone elsewhere, with another first letter."""
    words = sentence.words
    start = words.index("-") + 1 if "-" in words else 0
    return tuple(word.lower() for word in words[start:])


def sentence(random: Random, name: str) -> Sentence:
    """A tagged sentence of one or two clauses."""
    first, second = random.sample(news.CLAUSES, 2)
    template = random.choice(news.JOINTS).replace("{a}", first).replace("{b}", second)
    words: list[str] = []
    tags: list[str] = []
    for word in template.split():
        drawn, kind = _drawn(random, word)
        words += drawn
        tags += _tags(len(drawn), kind)
    at = next(i for i, word in enumerate(words) if word[0].isalpha())
    words[at] = words[at][0].upper() + words[at][1:]
    return Sentence(name, tuple(words), tuple(tags))


def _drawn(random: Random, word: str) -> tuple[list[str], str]:
    """The words that stand for one word of a template, and the type of the name ("" for none)."""
    if not (match := _SLOT.fullmatch(word)):
        return [word], ""
    draw, kind = _SLOTS[match[1]]
    return _SLOT.sub(lambda inner: _SLOTS[inner[1]][0](random), draw(random)).split(), kind


def _tags(number: int, kind: str) -> list[str]:
    return [f"B-{kind}", *[f"I-{kind}"] * (number - 1)] if kind else ["O"] * number


def _person(random: Random) -> str:
    return f"{random.choice(people.WOMEN + people.MEN)} {_surname(random)}"


def _surname(random: Random) -> str:
    return random.choice(news.TOWNS if random.random() < 0.6 else people.SURNAMES)


def _place(random: Random) -> str:
    if random.random() < 0.85:
        return random.choice(news.TOWNS)
    return f"{random.choice(places.TOWN_HEADS)} {random.choice(places.TOWN_TAILS)}"


def _club(random: Random) -> str:
    return random.choice(news.TOWNS if random.random() < 0.8 else institutions.PROPER)


def _house(random: Random) -> str:
    if random.random() < 0.7:
        return random.choice(news.HOUSES)
    return random.choice(institutions.PROPER + institutions.PUBLISHERS)


def _work(random: Random) -> str:
    if random.random() < 0.4:
        return random.choice(news.TOWNS + people.WOMEN)
    return f"{random.choice(institutions.TITLE_HEADS)} {random.choice(institutions.TITLE_TAILS)}"


_SLOTS: Mapping[str, tuple[Callable[[Random], str], str]] = {
    "person": (_person, "PER"),
    "surname": (_surname, "PER"),
    "place": (_place, "LOC"),
    "club": (_club, "ORG"),
    "house": (_house, "ORG"),
    "acronym": (lambda random: random.choice(news.ACRONYMS), "ORG"),
    "work": (_work, "MISC"),
    "contest": (lambda random: random.choice(news.CONTESTS), "MISC"),
    "law": (lambda random: random.choice(news.LAWS), "MISC"),
    "prize": (lambda random: random.choice(institutions.PRIZES), "MISC"),
    "day": (lambda random: str(random.randint(1, 28)), ""),
    "number": (lambda random: str(random.randint(21, 99)), ""),
}
