"""Facts about institutions."""

from random import Random

from benchmarks.sample import values
from benchmarks.sample.relations import Domain, Relation, Subject
from benchmarks.sample.vocabulary import places
from benchmarks.sample.wording import Name


def _institution(random: Random) -> Subject:
    name = values.institution(random)
    return Subject(name, Name(name.text.split()[-1], name.article, name.feminine))


_RELATIONS = (
    Relation(
        "seat",
        "city",
        values.one_of(places.CITIES),
        ("tiene su sede en {v}", "está en {v}", "abre sus puertas en {v}"),
        ("con sede en {v}", "situad{o} en {v}"),
        ("en {v} está {s}", "la sede {de s} se halla en {v}"),
        ("¿Dónde tiene su sede {s}?", "¿En qué ciudad está {s}?"),
        ("¿Qué institución tiene su sede en {v}?",),
    ),
    Relation(
        "branch",
        "city",
        values.one_of(places.CITIES),
        ("abrió una delegación en {v}", "quiere crecer en {v}", "mantiene una oficina en {v}"),
        ("con delegación en {v}",),
        ("en {v} abrió una oficina {s}", "la delegación {de s} está en {v}"),
        ("¿Dónde abrió una delegación {s}?", "¿En qué ciudad tiene una oficina {s}?"),
    ),
    Relation(
        "opening",
        "year",
        values.number(1805, 1960),
        ("fue fundad{o} en {v}", "abrió en el año {v}", "nació en {v}"),
        ("fundad{o} en {v}", "cread{o} en {v}"),
        ("en {v} se fundó {s}", "la creación {de s} fue en {v}"),
        ("¿En qué año fue fundad{o} {s}?", "¿Cuándo se creó {s}?"),
        ("¿Qué institución se fundó en {v}?",),
    ),
    Relation(
        "reform",
        "year",
        values.number(1961, 2020),
        ("fue reformad{o} en {v}", "renovó su edificio en {v}"),
        ("reformad{o} en {v}", "renovad{o} en {v}"),
        ("en {v} se reformó {s}", "la reforma {de s} fue en {v}"),
        ("¿En qué año fue reformad{o} {s}?", "¿Cuándo renovó su edificio {s}?"),
        ("¿Qué institución se reformó en {v}?",),
    ),
    Relation(
        "founder",
        "person",
        values.anybody,
        ("fue una idea {de v}", "debe su origen {a v}", "fue cread{o} por {v}"),
        ("fundad{o} por {v}", "obra {de v}"),
        ("{v} fundó {s}", "quien fundó {s} fue {v}"),
        ("¿Quién fundó {s}?", "¿A quién debe su origen {s}?"),
        ("¿Qué institución fundó {v}?",),
    ),
    Relation(
        "director",
        "person",
        values.anybody,
        ("está dirigid{o} por {v}", "tiene al frente {a v}", "confió la dirección {a v}"),
        ("dirigid{o} por {v}", "con {v} al frente"),
        ("{v} dirige {s}", "al frente {de s} está {v}"),
        ("¿Quién dirige {s}?", "¿Quién está al frente {de s}?"),
        ("¿Qué institución dirige {v}?",),
    ),
    Relation(
        "architect",
        "person",
        values.anybody,
        ("ocupa un edificio {de v}", "encargó su sede {a v}"),
        ("proyectad{o} por {v}", "según los planos {de v}"),
        ("{v} proyectó {s}", "los planos {de s} son {de v}"),
        ("¿Quién proyectó {s}?", "¿De quién son los planos {de s}?"),
        ("¿Qué institución proyectó {v}?",),
    ),
    Relation(
        "staff",
        "number",
        values.number(110, 990, 10),
        ("emplea a {v} personas", "da trabajo a {v} personas", "tiene {v} empleados"),
        ("con {v} empleados",),
        ("en {s} trabajan {v} personas", "la plantilla {de s} suma {v} personas"),
        ("¿Cuántas personas trabajan en {s}?", "¿Cuántos empleados tiene {s}?"),
    ),
    Relation(
        "visits",
        "number",
        values.number(1100, 9900, 50),
        ("recibió a {v} visitantes", "sumó {v} visitas en un año"),
        ("con {v} visitas al año",),
        ("por {s} pasaron {v} visitantes", "las visitas {a s} fueron {v}"),
        ("¿Cuántos visitantes recibió {s}?", "¿Cuántas visitas sumó {s}?"),
    ),
)

HOUSES = Domain("houses", _institution, _RELATIONS)
