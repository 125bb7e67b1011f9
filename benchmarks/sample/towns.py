"""Facts about small towns."""

from random import Random

from benchmarks.sample import values
from benchmarks.sample.relations import Domain, Relation, Subject
from benchmarks.sample.vocabulary import places
from benchmarks.sample.wording import Name


def _town(random: Random) -> Subject:
    head = random.choice(places.TOWN_HEADS)
    return Subject(
        Name(f"{head} {random.choice(places.TOWN_TAILS)}", feminine=True),
        Name(head, feminine=True),
    )


_RELATIONS = (
    Relation(
        "inhabitants",
        "number",
        values.number(1100, 9900, 50),
        ("tiene {v} habitantes", "cuenta con {v} vecinos", "alcanza los {v} habitantes"),
        ("con sus {v} habitantes", "localidad de {v} vecinos"),
        ("en {s} viven {v} personas", "la población {de s} es de {v} personas"),
        ("¿Cuántos habitantes tiene {s}?", "¿Cuál es la población {de s}?"),
        ("¿Qué localidad tiene {v} habitantes?",),
    ),
    Relation(
        "altitude",
        "number",
        values.number(310, 1090, 10),
        ("está a {v} metros de altitud", "se alza a {v} metros sobre el mar"),
        ("a {v} metros de altitud", "situada a {v} metros de altura"),
        ("la altitud {de s} es de {v} metros", "el campanario {de s} está a {v} metros"),
        ("¿A cuántos metros de altitud está {s}?", "¿Cuál es la altitud {de s}?"),
    ),
    Relation(
        "river",
        "river",
        values.one_of(places.RIVERS, "el"),
        ("está a orillas {de v}", "se asienta junto {a v}", "mira {a v}"),
        ("a orillas {de v}", "bañada por {v}"),
        ("{v} pasa por {s}", "las aguas {de v} riegan {s}", "{v} cruza {s}"),
        ("¿Qué río pasa por {s}?", "¿A orillas de qué río está {s}?"),
        ("¿Qué localidad está a orillas {de v}?",),
    ),
    Relation(
        "foundation",
        "year",
        values.number(1105, 1790),
        ("fue fundada en {v}", "nació en el año {v}", "existe desde {v}"),
        ("fundada en {v}", "levantada en {v}"),
        ("la fundación {de s} fue en {v}", "en {v} se fundó {s}"),
        ("¿En qué año fue fundada {s}?", "¿Cuándo se fundó {s}?"),
        ("¿Qué localidad se fundó en {v}?",),
    ),
    Relation(
        "product",
        "product",
        values.thing(places.PRODUCTS),
        ("es famosa por {v}", "vive {de v}", "debe su fama {a v}"),
        ("conocida por {v}", "famosa por {v}"),
        ("{v} {de s} se vende en todo el país", "{v} da fama {a s}"),
        ("¿Qué producto da fama {a s}?", "¿Por qué producto es conocida {s}?"),
        ("¿Qué localidad es famosa por {v}?",),
    ),
    Relation(
        "monument",
        "monument",
        values.thing(places.MONUMENTS),
        ("conserva {v}", "restauró {v}", "atrae a los viajeros por {v}"),
        ("orgullosa {de v}", "visitada por {v}"),
        ("en {s} se visita {v}", "{v} es el orgullo {de s}"),
        ("¿Qué monumento conserva {s}?", "¿Qué monumento se visita en {s}?"),
    ),
    Relation(
        "festival",
        "date",
        values.date,
        ("celebra sus fiestas {v}", "sale en procesión {v}", "se viste de gala {v}"),
        ("en fiestas {v}",),
        ("las fiestas {de s} son {v}", "{v} es el día grande {de s}"),
        ("¿Qué día celebra sus fiestas {s}?", "¿Cuándo son las fiestas {de s}?"),
    ),
    Relation(
        "mayor",
        "person",
        values.anybody,
        ("eligió para la alcaldía {a v}", "confió la alcaldía {a v}", "está gobernada por {v}"),
        ("con {v} en la alcaldía", "gobernada por {v}"),
        ("en el ayuntamiento {de s} manda {v}", "{v} gobierna {s}"),
        ("¿Quién gobierna {s}?", "¿Quién ocupa la alcaldía {de s}?"),
        ("¿Qué localidad gobierna {v}?",),
    ),
    Relation(
        "chronicler",
        "person",
        values.anybody,
        ("nombró cronista {a v}", "tiene su historia escrita por {v}"),
        ("con {v} como cronista",),
        ("{v} es cronista {de s}", "la historia {de s} la escribió {v}"),
        ("¿Quién es cronista {de s}?", "¿Quién escribió la historia {de s}?"),
        ("¿De qué localidad es cronista {v}?",),
    ),
)

TOWNS = Domain("towns", _town, _RELATIONS)
