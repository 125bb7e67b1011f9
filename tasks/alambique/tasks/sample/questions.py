"""Questions over passages: the answer is a span, and the passage holds others like it."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from random import Random

from alambique.tasks.examples import Answer, Question
from alambique.tasks.sample.passages import Passage, Stated, passage
from alambique.tasks.sample.splits import ORDER, SEED, Split
from alambique.tasks.sample.wording import Name, numbered, write

SIZES: Mapping[Split, int] = {"train": 2400, "dev": 300, "test": 400}
PER_PASSAGE = 2
INVERSE = 0.2
"""How often a question asks for the subject, where the relation has such a question."""


def questions(split: Split) -> list[Question]:
    """The questions of a split, always the same.

    Args:
        split: "train" (2 400), "dev" (300) or "test" (400). They share no sentence.
    """
    return list(_all()[split])


@cache
def held_out() -> frozenset[str]:
    """Every sentence in a context of dev or test."""
    return frozenset(
        sentence
        for split in ("dev", "test")
        for told in _passages()[split]
        for sentence in told.sentences
    )


def asked(random: Random, stated: Stated) -> tuple[str, bool]:
    """A question for a stated fact, and whether it asks for the subject rather than the value."""
    relation = stated.fact.relation
    inverse = bool(stated.subject and relation.inverse) and random.random() < INVERSE
    template = random.choice(relation.inverse if inverse else relation.questions)
    names: dict[str, Name] = {"s0": stated.fact.subject.name, "v0": stated.fact.value}
    return write(numbered(template, subject=0, value=0), names).text, inverse


@cache
def _passages() -> Mapping[Split, tuple[Passage, ...]]:
    taken: set[str] = set()
    found: dict[Split, tuple[Passage, ...]] = {}
    for split in ORDER:
        random = Random(f"{SEED} passages {split}")
        apart = frozenset(taken)
        some: list[Passage] = []
        while len(some) * PER_PASSAGE < SIZES[split]:
            if not apart.intersection((told := passage(random)).sentences):
                some.append(told)
                taken.update(told.sentences)
        found[split] = tuple(some)
    return found


@cache
def _all() -> Mapping[Split, tuple[Question, ...]]:
    return {split: tuple(_questions(split, told)) for split, told in _passages().items()}


def _questions(split: Split, passages: Iterable[Passage]) -> Iterator[Question]:
    random = Random(f"{SEED} questions {split}")
    for i, told in enumerate(passages):
        yield from _ask(random, told, f"{split}-{i:04}")


def _ask(random: Random, told: Passage, name: str) -> Iterator[Question]:
    for i, stated in enumerate(random.sample(told.stated, PER_PASSAGE)):
        question, inverse = asked(random, stated)
        span = stated.subject if inverse and stated.subject else stated.value
        answer = Answer(told.text[span.start : span.end], span.start)
        yield Question(f"{name}-{i}", question, told.text, (answer,))
