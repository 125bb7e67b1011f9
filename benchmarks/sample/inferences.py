"""Pairs of premise and hypothesis: what follows, what is left open, and what cannot be.

A premise tells something of two people. The name and the value of the hypothesis stand in it under
every label, and a hypothesis is drawn before its label: what decides is who is said to have the
value, and in which matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Literal

from benchmarks.sample import values
from benchmarks.sample.claims import JOINTS, KINDS, Claim, Kind
from benchmarks.sample.splits import drawn
from benchmarks.sample.wording import Name, euphonic, numbered, write

from alambique.spec.data import Split
from alambique.tasks.examples import Labelled

SIZES: Mapping[Split, int] = {"train": 2400, "dev": 300, "test": 400}
DENIED = 0.35
"""How often a hypothesis denies."""

Label = Literal["entailment", "neutral", "contradiction"]
LABELS: tuple[Label, ...] = ("entailment", "neutral", "contradiction")


@dataclass(frozen=True, slots=True)
class Told:
    """What one clause of a premise says."""

    subject: Name
    claim: Claim
    value: Name


@dataclass(frozen=True, slots=True)
class Asked:
    """What a hypothesis is about, and what else a premise can speak of."""

    subject: Name
    other: Name
    claim: Claim
    others: tuple[Claim, ...]
    """Of the same kind."""
    value: Name
    wrong: Name
    """Another value."""


def pairs(split: Split) -> list[Labelled]:
    """The pairs of a split, always the same.

    Args:
        split: "train" (2 400), "dev" (300) or "test" (400). They share no sentence.

    Returns:
        Premise and hypothesis, labelled entailment, neutral or contradiction.
    """
    return list(_all()[split])


@cache
def _all() -> Mapping[Split, tuple[Labelled, ...]]:
    return drawn("inferences", SIZES, pair, lambda made: made.texts)


def pair(random: Random, name: str) -> Labelled:
    """A premise and a hypothesis, with any label."""
    asked = _asked(random, random.choice(KINDS))
    denied = random.random() < DENIED
    label = random.choice(LABELS)
    own, other = _told(random, asked, label, denied=denied)
    first, second = random.sample((own, other), 2)
    templates = asked.claim.denied if denied else asked.claim.concluded
    hypothesis = numbered(f"{{s}} {random.choice(templates)}.", subject=0, value=0)
    said = write(hypothesis, {"s0": asked.subject, "v0": asked.value})
    return Labelled(name, (_premise(random, first, second), said.text), label)


def _asked(random: Random, kind: Kind) -> Asked:
    subject = values.person(random)
    other = _another(random, subject)
    claim, *others = random.sample(kind.claims, len(kind.claims))
    value = kind.draw(random, subject)
    taken = {subject.text, other.text}
    while value.text in taken:
        value = kind.draw(random, subject)
    wrong = kind.draw(random, subject)
    while wrong.text in taken | {value.text}:
        wrong = kind.draw(random, subject)
    return Asked(subject, other, claim, tuple(others), value, wrong)


def _another(random: Random, person: Name) -> Name:
    """Somebody with no name of that person's, and of the same gender, with which values agree."""
    while True:
        other = values.person(random)
        apart = set(other.text.split()).isdisjoint(person.text.split())
        if apart and other.feminine == person.feminine:
            return other


def _told(random: Random, asked: Asked, label: Label, *, denied: bool) -> tuple[Told, Told]:
    """What the premise says of the subject and of the other, one of them with the value."""
    matter = random.choice((asked.claim, *asked.others))
    if label == "neutral":
        aside = random.choice(asked.others)
        value, wrong = random.sample((asked.value, asked.wrong), 2)
        return Told(asked.subject, aside, value), Told(asked.other, matter, wrong)
    holds = (label == "entailment") != denied
    value, wrong = (asked.value, asked.wrong) if holds else (asked.wrong, asked.value)
    return Told(asked.subject, asked.claim, value), Told(asked.other, matter, wrong)


def _premise(random: Random, first: Told, second: Told) -> str:
    parts = [
        numbered(f"{{s}} {random.choice(told.claim.said)}", subject=n, value=n)
        for n, told in enumerate((first, second))
    ]
    shape = random.choice(JOINTS).replace("{a}", parts[0]).replace("{b}", parts[1])
    names = {"s0": first.subject, "v0": first.value, "s1": second.subject, "v1": second.value}
    return euphonic(write(shape, names).text)
