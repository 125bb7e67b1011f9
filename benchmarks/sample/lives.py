"""Facts about people."""

from random import Random

from benchmarks.sample import values
from benchmarks.sample.relations import Domain, Relation, Subject
from benchmarks.sample.vocabulary import people, places
from benchmarks.sample.wording import Name


def _person(random: Random) -> Subject:
    name = values.person(random)
    return Subject(name, Name(name.text.split()[-1], feminine=name.feminine))


_RELATIONS = (
    Relation(
        "birthplace",
        "city",
        values.one_of(places.CITIES),
        ("nació en {v}", "vino al mundo en {v}", "es natural {de v}", "es originari{o} {de v}"),
        ("natural {de v}", "nacid{o} en {v}", "oriund{o} {de v}"),
        ("en {v} nació {s}", "la ciudad natal {de s} es {v}", "{v} vio nacer {a s}"),
        ("¿Dónde nació {s}?", "¿En qué ciudad nació {s}?", "¿Cuál es la ciudad natal {de s}?"),
        ("¿Quién nació en {v}?", "¿Quién es natural {de v}?"),
    ),
    Relation(
        "residence",
        "city",
        values.one_of(places.CITIES),
        ("vive en {v}", "reside en {v}", "se instaló en {v}", "tiene su casa en {v}"),
        ("residente en {v}", "vecin{o} {de v}", "instalad{o} en {v}"),
        ("en {v} vive {s}", "la casa {de s} está en {v}", "{s} se mudó {a v}"),
        ("¿Dónde vive {s}?", "¿En qué ciudad reside {s}?", "¿Dónde tiene su casa {s}?"),
        ("¿Quién vive en {v}?", "¿Quién reside en {v}?"),
    ),
    Relation(
        "birth",
        "year",
        values.number(1921, 1970),
        ("nació en {v}", "vino al mundo en el año {v}", "es de la quinta {de v}"),
        ("nacid{o} en {v}", "venid{o} al mundo en {v}"),
        ("en {v} nació {s}", "el nacimiento {de s} fue en {v}"),
        ("¿En qué año nació {s}?", "¿Cuándo nació {s}?", "¿Cuál es el año de nacimiento {de s}?"),
        ("¿Quién nació en {v}?", "¿Quién vino al mundo en {v}?"),
    ),
    Relation(
        "degree",
        "year",
        values.number(1971, 2015),
        ("terminó la carrera en {v}", "se licenció en el año {v}", "obtuvo su título en {v}"),
        ("licenciad{o} en {v}", "titulad{o} en {v}"),
        ("en {v} se licenció {s}", "el título {de s} es {de v}"),
        ("¿En qué año se licenció {s}?", "¿Cuándo terminó la carrera {s}?"),
        ("¿Quién se licenció en {v}?",),
    ),
    Relation(
        "profession",
        "profession",
        values.profession,
        ("es {v}", "trabaja como {v}", "se gana la vida como {v}", "ejerce de {v}"),
        ("{v} de oficio", "{v} desde joven"),
        ("el oficio {de s} es el de {v}", "todos conocen {a s} como {v}"),
        ("¿Cuál es la profesión {de s}?", "¿A qué se dedica {s}?", "¿De qué trabaja {s}?"),
    ),
    Relation(
        "studies",
        "studies",
        values.one_of(people.STUDIES),
        ("estudió {v}", "cursó la carrera de {v}", "se formó en {v}", "se matriculó en {v}"),
        ("con estudios de {v}", "formad{o} en {v}"),
        ("los estudios {de s} fueron de {v}", "{v} fue la carrera {de s}"),
        ("¿Qué estudió {s}?", "¿Qué carrera cursó {s}?", "¿En qué se formó {s}?"),
        ("¿Quién estudió {v}?", "¿Quién se formó en {v}?"),
    ),
    Relation(
        "instrument",
        "instrument",
        values.thing(people.INSTRUMENTS),
        ("toca {v}", "aprendió a tocar {v}", "da conciertos con {v}"),
        ("aficionad{o} {a v}", "intérprete {de v}"),
        ("el instrumento {de s} es {v}", "{v} es la gran afición {de s}"),
        ("¿Qué instrumento toca {s}?", "¿Cuál es el instrumento {de s}?"),
        ("¿Quién toca {v}?",),
    ),
    Relation(
        "spouse",
        "person",
        values.anybody,
        ("se casó con {v}", "contrajo matrimonio con {v}", "comparte su vida con {v}"),
        ("casad{o} con {v}", "en pareja con {v}"),
        ("la boda {de s} fue con {v}", "{v} comparte techo con {s}"),
        ("¿Con quién se casó {s}?", "¿Quién es la pareja {de s}?"),
    ),
    Relation(
        "employer",
        "institution",
        values.anywhere,
        ("trabaja en {v}", "colabora con {v}", "presta sus servicios en {v}"),
        ("emplead{o} en {v}", "al servicio {de v}"),
        ("en {v} trabaja {s}", "{v} contrató {a s}"),
        ("¿Dónde trabaja {s}?", "¿Para qué institución trabaja {s}?", "¿Quién contrató {a s}?"),
        ("¿Quién trabaja en {v}?",),
    ),
)

LIVES = Domain("lives", _person, _RELATIONS)
