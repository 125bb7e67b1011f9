"""What premises say of people, what follows from it, and what would deny it.

Claims of one kind take the same values, so that a value does not tell which matter it is about. Of
each matter a person has one value: two that differ exclude each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from benchmarks.sample import values
from benchmarks.sample.vocabulary import places
from benchmarks.sample.vocabulary.lists import listed
from benchmarks.sample.wording import Name

Draw = Callable[[Random, Name], Name]


@dataclass(frozen=True, slots=True)
class Claim:
    """One matter. Its templates follow a subject, as those of `relations.Relation` do."""

    said: tuple[str, ...]
    """As premises have it."""
    concluded: tuple[str, ...]
    """The same in other words, as hypotheses have it."""
    denied: tuple[str, ...]
    """The contrary."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Claims that take the same values."""

    draw: Draw
    claims: tuple[Claim, ...]


def _year(random: Random, _: Name) -> Name:
    return Name(str(random.randint(1960, 1999)))


_FEW = listed("dos, tres, cuatro, cinco, seis, siete, ocho, nueve")

_CITIES = Kind(
    values.one_of(places.CITIES),
    (
        Claim(
            ("nació en {v}", "es natural de {v}", "vino al mundo en {v}"),
            ("nació en la ciudad de {v}", "tiene en {v} su lugar de nacimiento"),
            ("no nació en {v}", "no es natural de {v}"),
        ),
        Claim(
            ("vive en {v}", "reside en {v}", "se ha mudado a {v}"),
            ("tiene su domicilio en {v}", "está domiciliad{o} en {v}"),
            ("no vive en {v}", "no reside en {v}"),
        ),
        Claim(
            ("trabaja en una oficina de {v}", "tiene su despacho en {v}"),
            ("va a trabajar a {v}", "ejerce su oficio en {v}"),
            ("no trabaja en {v}", "no tiene su despacho en {v}"),
        ),
    ),
)
_YEARS = Kind(
    _year,
    (
        Claim(
            ("acabó la carrera en {v}", "se graduó en {v}"),
            ("obtuvo el título universitario en {v}", "terminó los estudios en {v}"),
            ("no se graduó en {v}", "no acabó la carrera en {v}"),
        ),
        Claim(
            ("se casó en {v}", "celebró su boda en {v}"),
            ("contrajo matrimonio en {v}", "está casad{o} desde {v}"),
            ("no se casó en {v}", "no celebró su boda en {v}"),
        ),
        Claim(
            ("sacó el carné de conducir en {v}", "aprobó el examen de conducir en {v}"),
            ("puede conducir desde {v}", "tiene el carné de conducir desde {v}"),
            ("no sacó el carné de conducir en {v}", "no aprobó el examen de conducir en {v}"),
        ),
    ),
)
_PEOPLE = Kind(
    values.anybody,
    (
        Claim(
            ("está casad{o} con {v}", "tiene por cónyuge a {v}"),
            ("es cónyuge de {v}", "está unid{o} en matrimonio a {v}"),
            ("no está casad{o} con {v}", "no es cónyuge de {v}"),
        ),
        Claim(
            ("trabaja a las órdenes de {v}", "responde ante {v} en la empresa"),
            ("recibe órdenes de {v}", "tiene que obedecer a {v} en el trabajo"),
            ("no trabaja a las órdenes de {v}", "no recibe órdenes de {v}"),
        ),
        Claim(
            ("perdió la final ante {v}", "cayó en la final ante {v}"),
            ("fue derrotad{o} en la final por {v}", "no pudo con {v} en la final"),
            ("no perdió la final ante {v}", "no cayó en la final ante {v}"),
        ),
    ),
)
_NUMBERS = Kind(
    values.one_of(_FEW),
    (
        Claim(
            ("tiene {v} hijos", "ha criado a {v} hijos"),
            ("cuenta {v} hijos en su familia", "ha tenido {v} hijos"),
            ("no tiene {v} hijos", "no ha tenido {v} hijos"),
        ),
        Claim(
            ("vive en una casa de {v} habitaciones", "ocupa un piso de {v} habitaciones"),
            ("tiene {v} habitaciones en casa", "dispone en casa de {v} habitaciones"),
            ("no vive en una casa de {v} habitaciones", "no tiene {v} habitaciones en casa"),
        ),
        Claim(
            ("ha publicado {v} libros", "lleva {v} libros publicados"),
            ("ha firmado {v} libros", "ha dado a la imprenta {v} libros"),
            ("no ha publicado {v} libros", "no ha firmado {v} libros"),
        ),
    ),
)
_PROFESSIONS = Kind(
    values.profession,
    (
        Claim(
            ("trabaja de {v}", "se gana el pan como {v}"),
            ("tiene el oficio de {v}", "ejerce la profesión de {v}"),
            ("no trabaja de {v}", "no ejerce la profesión de {v}"),
        ),
        Claim(
            ("empezó su carrera como {v}", "dio sus primeros pasos como {v}"),
            ("ejercía de {v} en su primer empleo", "al principio trabajaba de {v}"),
            ("no empezó su carrera como {v}", "no ejercía de {v} en su primer empleo"),
        ),
        Claim(
            ("quiere ser {v}", "sueña con ser {v}"),
            ("desearía trabajar de {v}", "espera llegar a ser {v}"),
            ("no quiere ser {v}", "no sueña con ser {v}"),
        ),
    ),
)

KINDS: tuple[Kind, ...] = (_CITIES, _YEARS, _PEOPLE, _NUMBERS, _PROFESSIONS)

JOINTS = (
    "{a}; {b}.",
    "{a}, y {b}.",
    "{a}, aunque {b}.",
    "{a}, al tiempo que {b}.",
    "por lo visto, {a}, y {b}.",
    "{a}; {b}, según dicen.",
)
"""None of them is one of the passages', so that no premise is a sentence of theirs."""
