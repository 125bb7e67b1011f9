"""Facts about novels."""

from random import Random

from benchmarks.sample import values
from benchmarks.sample.relations import Domain, Relation, Subject
from benchmarks.sample.vocabulary import institutions, places
from benchmarks.sample.wording import Name


def _book(random: Random) -> Subject:
    head = random.choice(institutions.TITLE_HEADS)
    title = Name(f"«{head} {random.choice(institutions.TITLE_TAILS)}»", feminine=True)
    return Subject(title, title)


_RELATIONS = (
    Relation(
        "author",
        "person",
        values.anybody,
        ("es una novela {de v}", "fue escrita por {v}", "salió de la pluma {de v}"),
        ("escrita por {v}", "novela {de v}"),
        ("{v} escribió {s}", "{v} es quien firma {s}"),
        ("¿Quién escribió {s}?", "¿Quién firma {s}?"),
        ("¿Qué novela escribió {v}?",),
    ),
    Relation(
        "translator",
        "person",
        values.anybody,
        ("fue traducida por {v}", "circula en traducción {de v}"),
        ("traducida por {v}", "en versión {de v}"),
        ("{v} tradujo {s}", "la traducción {de s} es {de v}"),
        ("¿Quién tradujo {s}?", "¿De quién es la traducción {de s}?"),
        ("¿Qué novela tradujo {v}?",),
    ),
    Relation(
        "hero",
        "person",
        values.anybody,
        ("narra la vida {de v}", "tiene por protagonista {a v}", "sigue los pasos {de v}"),
        ("protagonizada por {v}", "con {v} como protagonista"),
        ("el personaje principal {de s} es {v}", "{v} protagoniza {s}"),
        ("¿Quién protagoniza {s}?", "¿Qué personaje es el principal {de s}?"),
        ("¿Qué novela protagoniza {v}?",),
    ),
    Relation(
        "published",
        "year",
        values.number(1905, 1990),
        ("se publicó en {v}", "apareció en el año {v}", "vio la luz en {v}"),
        ("publicada en {v}", "aparecida en {v}"),
        ("en {v} se publicó {s}", "la primera edición {de s} es {de v}"),
        ("¿En qué año se publicó {s}?", "¿Cuándo apareció {s}?"),
        ("¿Qué novela se publicó en {v}?",),
    ),
    Relation(
        "film",
        "year",
        values.number(1991, 2022),
        ("llegó al cine en {v}", "se convirtió en película en {v}"),
        ("llevada al cine en {v}",),
        ("en {v} se rodó {s}", "la película {de s} es {de v}"),
        ("¿En qué año llegó al cine {s}?", "¿Cuándo se rodó {s}?"),
    ),
    Relation(
        "setting",
        "city",
        values.one_of(places.CITIES),
        ("transcurre en {v}", "está ambientada en {v}", "pasa en las calles {de v}"),
        ("ambientada en {v}", "situada en {v}"),
        ("en {v} transcurre {s}", "el escenario {de s} es {v}"),
        ("¿En qué ciudad transcurre {s}?", "¿Dónde está ambientada {s}?"),
        ("¿Qué novela transcurre en {v}?",),
    ),
    Relation(
        "launch",
        "city",
        values.one_of(places.CITIES),
        ("fue presentada en {v}", "se dio a conocer en {v}"),
        ("presentada en {v}",),
        ("la presentación {de s} fue en {v}", "en {v} se presentó {s}"),
        ("¿Dónde fue presentada {s}?", "¿En qué ciudad se presentó {s}?"),
    ),
    Relation(
        "pages",
        "number",
        values.number(110, 990, 10),
        ("tiene {v} páginas", "ocupa {v} páginas", "se extiende por {v} páginas"),
        ("de {v} páginas",),
        ("la extensión {de s} es de {v} páginas", "{v} páginas ocupa {s}"),
        ("¿Cuántas páginas tiene {s}?", "¿Cuál es la extensión {de s}?"),
    ),
    Relation(
        "publisher",
        "publisher",
        values.one_of(institutions.PUBLISHERS),
        ("salió en la editorial {v}", "está en el catálogo {de v}", "fue editada por {v}"),
        ("editada por {v}",),
        ("{v} publicó {s}", "la editorial {de s} es {v}"),
        ("¿Qué editorial publicó {s}?", "¿En qué editorial salió {s}?"),
        ("¿Qué novela publicó {v}?",),
    ),
)

BOOKS = Domain("books", _book, _RELATIONS)
