"""Events that can be told in several orders, and what may be exchanged in them.

All shapes of an event say the same. Exchanging two of its names gives another event in the same
words.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from benchmarks.sample import values
from benchmarks.sample.vocabulary import institutions, news, people, places
from benchmarks.sample.vocabulary.lists import with_articles
from benchmarks.sample.wording import Name

Names = Mapping[str, Name]

_THINGS = with_articles(
    "un cuadro, una casa, un piano, una finca, un caballo, una librería, un molino, una barca, un "
    "reloj, una guitarra, un terreno, una colección de sellos"
)
_TRAITS = ("joven", "fuerte", "amable", "paciente", "valiente", "prudente")


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event."""

    draw: Callable[[Random], Names]
    shapes: tuple[str, ...]
    """Ways to tell it, with the fields of `wording`."""
    exchanged: tuple[tuple[str, str], ...] = (("s0", "s1"),)
    """Pairs of names of which each could stand for the other."""


def _two(random: Random) -> dict[str, Name]:
    """Two people without a name in common."""
    one, other = values.person(random), values.person(random)
    while set(one.text.split()) & set(other.text.split()):
        other = values.person(random)
    return {"s0": one, "s1": other}


def _cities(random: Random, number: int) -> list[Name]:
    return [Name(city) for city in random.sample(places.CITIES, number)]


def _year(random: Random) -> Name:
    return Name(str(random.randint(1950, 2019)))


def _thing(random: Random) -> Name:
    word, article = random.choice(_THINGS)
    return Name(word, article)


def _sale(random: Random) -> Names:
    return {**_two(random), "v0": _thing(random), "v1": _year(random)}


def _office(random: Random) -> Names:
    return {**_two(random), "v0": values.institution(random), "v1": _year(random)}


def _match(random: Random) -> Names:
    one, other = (Name(town, "el") for town in random.sample(news.TOWNS, 2))
    most, least = sorted(random.sample(range(10), 2), reverse=True)
    (city,) = _cities(random, 1)
    score = {"v0": Name(str(most)), "v1": Name(str(least))}
    return {"s0": one, "s1": other, **score, "v2": city, "v3": _year(random)}


def _journey(random: Random) -> Names:
    start, end = _cities(random, 2)
    return {"s0": values.person(random), "v0": start, "v1": end, "v2": _year(random)}


def _lesson(random: Random) -> Names:
    word, article = random.choice(people.INSTRUMENTS)
    (city,) = _cities(random, 1)
    return {**_two(random), "v0": Name(word, article), "v1": city}


def _book(random: Random) -> Names:
    head = random.choice(institutions.TITLE_HEADS)
    title = f"«{head} {random.choice(institutions.TITLE_TAILS)}»"
    return {**_two(random), "v0": Name(title), "v1": _year(random)}


def _placed(random: Random) -> Names:
    (city,) = _cities(random, 1)
    return {**_two(random), "v0": city, "v1": _year(random)}


def _compared(random: Random) -> Names:
    return {**_two(random), "v0": Name(random.choice(_TRAITS))}


def _road(random: Random) -> Names:
    start, middle, end = _cities(random, 3)
    return {"v0": start, "v1": middle, "v2": end, "v3": _year(random)}


def _heads(random: Random) -> Names:
    one, other = values.institution(random), values.institution(random)
    while set(one.text.split()) & set(other.text.split()):
        other = values.institution(random)
    return {**_two(random), "v0": one, "v1": other}


EVENTS: tuple[Event, ...] = (
    Event(
        _sale,
        (
            "{s0} vendió {v0} {a s1} en {v1}.",
            "En {v1}, {s0} vendió {v0} {a s1}.",
            "{s1} compró {v0} {a s0} en {v1}.",
        ),
    ),
    Event(
        _office,
        (
            "{s0} sucedió {a s1} al frente {de v0} en {v1}.",
            "En {v1}, {s0} sucedió {a s1} al frente {de v0}.",
            "{s1} fue sucedid{o1} por {s0} al frente {de v0} en {v1}.",
            "Al frente {de v0}, {s1} fue sucedid{o1} en {v1} por {s0}.",
        ),
    ),
    Event(
        _match,
        (
            "{s0} ganó {a s1} por {v0} a {v1} en {v2} en {v3}.",
            "En {v3}, {s0} ganó {a s1} en {v2} por {v0} a {v1}.",
            "En {v3}, {s1} perdió ante {s0} en {v2} por {v0} a {v1}.",
        ),
    ),
    Event(
        _journey,
        (
            "{s0} viajó de {v0} a {v1} en {v2}.",
            "En {v2}, {s0} viajó a {v1} desde {v0}.",
            "{s0} salió en {v2} de {v0} y viajó a {v1}.",
        ),
        (("v0", "v1"),),
    ),
    Event(
        _journey,
        (
            "{s0} nació en {v0} y murió en {v1} en {v2}.",
            "Nacid{o0} en {v0}, {s0} murió en {v2} en {v1}.",
            "En {v2} murió en {v1} {s0}, que nació en {v0}.",
        ),
        (("v0", "v1"),),
    ),
    Event(
        _lesson,
        (
            "{s0} enseñó {a s1} a tocar {v0} en {v1}.",
            "En {v1}, {s0} enseñó a tocar {v0} {a s1}.",
            "{s1} aprendió de {s0} a tocar {v0} en {v1}.",
        ),
    ),
    Event(
        _book,
        (
            "La novela {v0} fue escrita por {s0} y traducida por {s1} en {v1}.",
            "Escrita por {s0}, la novela {v0} fue traducida en {v1} por {s1}.",
            "En {v1} fue traducida por {s1} la novela {v0}, escrita por {s0}.",
        ),
    ),
    Event(
        _placed,
        (
            "Según {s0}, {s1} dimitió en {v0} en {v1}.",
            "{s1} dimitió en {v0} en {v1}, según {s0}.",
            "En {v1}, según {s0}, {s1} dimitió en {v0}.",
        ),
    ),
    Event(
        _placed,
        (
            "{s0} envió una carta {a s1} desde {v0} en {v1}.",
            "En {v1}, {s0} envió desde {v0} una carta {a s1}.",
            "{s1} recibió en {v1} una carta que {s0} envió desde {v0}.",
        ),
    ),
    Event(
        _compared,
        (
            "{s0} es más {v0} que {s1}.",
            "{s1} es menos {v0} que {s0}.",
            "Más {v0} que {s1} es {s0}.",
        ),
    ),
    Event(
        _road,
        (
            "La carretera de {v0} a {v2} pasa desde {v3} por {v1}.",
            "Desde {v3}, la carretera de {v0} a {v2} pasa por {v1}.",
            "Por {v1} pasa desde {v3} la carretera de {v0} a {v2}.",
        ),
        (("v0", "v1"), ("v1", "v2")),
    ),
    Event(
        _heads,
        (
            "{s0} dirige {v0} y {s1} preside {v1}.",
            "{s1} preside {v1} y {s0} dirige {v0}.",
            "Mientras {s1} preside {v1}, {s0} dirige {v0}.",
        ),
        (("s0", "s1"), ("v0", "v1")),
    ),
)
