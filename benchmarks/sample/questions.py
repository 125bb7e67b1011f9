"""Questions over passages: the answer is a span, and the passage holds others like it."""

from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cache
from itertools import chain, islice
from random import Random

from benchmarks.sample.passages import Passage, Stated, passage
from benchmarks.sample.splits import ORDER, SEED
from benchmarks.sample.wording import Name, numbered, write

from alambique.spec.data import Split
from alambique.tasks.examples import Answer, Question

SIZES: Mapping[Split, int] = {"train": 2400, "dev": 300, "test": 400}
PER_PASSAGE = 2
INVERSE = 0.2
"""How often a question asks for the subject, where the relation has such a question."""


def questions(split: Split) -> list[Question]:
    """The questions of a split, always the same.

    Args:
        split: "train" (2 400), "dev" (300) or "test" (400). They share no sentence and no
            question.
    """
    return list(_all()[split])


@cache
def held_out() -> frozenset[str]:
    """Every sentence in a context of dev or test, and every question about one."""
    splits: tuple[Split, ...] = ("dev", "test")
    told = (told.sentences for split in splits for told in _passages()[split])
    return frozenset(chain(*told, (one.question for split in splits for one in _all()[split])))


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
    found: dict[Split, tuple[Question, ...]] = {}
    for split, told in _passages().items():
        apart = frozenset(one.question for made in found.values() for one in made)
        found[split] = tuple(_questions(split, told, apart))
    return found


def _questions(split: Split, told: Iterable[Passage], apart: Set[str]) -> Iterator[Question]:
    random = Random(f"{SEED} questions {split}")
    for i, one in enumerate(told):
        yield from _ask(random, one, f"{split}-{i:04}", apart)


def _ask(random: Random, told: Passage, name: str, apart: Set[str]) -> Iterator[Question]:
    """Questions about a passage, of facts in any order; none of those in `apart`."""
    facts = random.sample(told.stated, len(told.stated))
    drawn = ((stated, *asked(random, stated)) for stated in facts)
    others = (one for one in drawn if one[1] not in apart)
    for i, (stated, question, inverse) in enumerate(islice(others, PER_PASSAGE)):
        span = stated.subject if inverse and stated.subject else stated.value
        answer = Answer(told.text[span.start : span.end], span.start)
        yield Question(f"{name}-{i}", question, told.text, (answer,))
