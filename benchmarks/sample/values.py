"""Names, years, numbers and things drawn from the vocabulary."""

from collections.abc import Callable, Sequence
from random import Random

from benchmarks.sample.vocabulary import institutions, people, places
from benchmarks.sample.wording import Name

Draw = Callable[[Random, Name], Name]
"""Draws a value; the subject is given because a profession agrees with it."""


def person(random: Random) -> Name:
    """A given name and a surname."""
    feminine = random.random() < 0.5
    given = random.choice(people.WOMEN if feminine else people.MEN)
    return Name(f"{given} {random.choice(people.SURNAMES)}", feminine=feminine)


def institution(random: Random) -> Name:
    """A kind and a proper name: "la Fundación Alborada"."""
    kind, article = random.choice(institutions.KINDS)
    return Name(f"{kind} {random.choice(institutions.PROPER)}", article, article == "la")


def one_of(words: Sequence[str], article: str = "") -> Draw:
    """Draws one of the words, all with the same article."""
    return lambda random, _: Name(random.choice(words), article, article == "la")


def thing(words: Sequence[tuple[str, str]]) -> Draw:
    """Draws one of the words, given with their articles."""

    def draw(random: Random, _: Name) -> Name:
        word, article = random.choice(words)
        return Name(word, article, article == "la")

    return draw


def number(low: int, high: int, step: int = 1) -> Draw:
    """Draws a multiple of `step` between two bounds, in digits."""
    return lambda random, _: Name(str(random.randrange(low, high, step)))


def anybody(random: Random, _: Name) -> Name:
    """Draws a person."""
    return person(random)


def anywhere(random: Random, _: Name) -> Name:
    """Draws an institution."""
    return institution(random)


def date(random: Random, _: Name) -> Name:
    """Draws a day of the year: "15 de agosto"."""
    return Name(f"{random.randint(1, 28)} de {random.choice(places.MONTHS)}", "el")


def profession(random: Random, subject: Name) -> Name:
    """Draws a profession in the gender of the subject."""
    return Name(random.choice(people.PROFESSIONS)[subject.feminine])
