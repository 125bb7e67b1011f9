"""What the platform writes in English, in Spanish: its words, and the sentences of its notes."""

import re
from collections.abc import Mapping
from functools import cache

WORDS: Mapping[str, str] = {
    "question-answering": "respuesta a preguntas",
    "named-entities": "reconocimiento de entidades",
    "part-of-speech": "etiquetado morfosintáctico",
    "inference": "inferencia textual",
    "paraphrase": "detección de paráfrasis",
    "document-classification": "clasificación de documentos",
    "similarity": "similitud de textos",
    "general": "lengua general, sin tarea",
    "teacher": "maestro",
    "gold-only": "alumno, solo etiquetas",
    "same-start": "alumno, mismo inicio",
    "distilled": "alumno, destilado",
    "student": "alumno",
    "trial": "ensayo",
    "padded": "con relleno",
    "by length": "por longitud",
    "registered": "publicado",
    "holds 0": "el intervalo contiene el 0",
    "start": "primeros pesos",
    "published": "esta versión",
    "train": "entrenamiento",
    "dev": "validación",
    "test": "prueba",
    "unlabelled": "sin etiquetas",
    "training": "entrenamiento",
    "testing": "prueba",
    "outputs": "respuestas del maestro",
    "evaluation": "evaluación",
    "base model": "modelo de partida",
    "data": "datos",
    "permissive": "permisiva",
    "attribution": "atribución",
    "share-alike": "compartir igual",
    "non-commercial": "no comercial",
    "no-derivatives": "sin obras derivadas",
    "research-only": "solo investigación",
    "proprietary": "términos propios",
    "unknown": "desconocida",
    "conflict": "licencias incompatibles",
    # how a task decodes, and by what it is measured
    "tags": "etiquetas",
    "entities": "entidades",
    "class": "clase",
    "window": "ventana",
    "score": "puntuación",
    "decoder": "decodificador",
    "max_answer_length": "longitud máxima de la respuesta",
    "null_threshold": "umbral de «sin respuesta»",
    "text": "texto",
    "id": "identificador",
    "the primary metric": "la métrica principal",
    # what a teacher has to beat
    "the most frequent tag of each word": "la etiqueta más frecuente de cada palabra",
    "the cosine of TF-IDF": "el coseno de TF-IDF",
    "TF-IDF with ridge regression": "TF-IDF con regresión ridge",
    "TF-IDF with logistic regression": "TF-IDF con regresión logística",
    "the commonest class": "la clase más común",
    "the sentence with most words of the question": "la oración con más palabras de la pregunta",
    "no answer": "ninguna respuesta",
}
"""Single words; those that are names (of metrics, formats, devices) are the same in both."""

SENTENCES: tuple[tuple[str, str], ...] = (
    # decoders
    ("first piece of each word", "la primera pieza de cada palabra"),
    ("seqeval default; strict IOB2", "seqeval por defecto; IOB2 estricto"),
    ("likeliest", "la más probable"),
    ("as it comes", "tal como sale"),
    (
        "one, the longer text cut first",
        "una; se corta primero el texto más largo",
    ),
    (
        "linear, of the last states of student and teacher, over all tokens",
        "lineal, de los últimos estados de alumno y maestro, sobre todas las piezas",
    ),
    # speeds
    (
        "batch 1, random ids, in turns, {warm} runs to warm up and {runs} timed, {rest}",
        "lote de 1, piezas al azar, por turnos, {warm} pasadas para calentar y {runs} medidas, "
        "{rest}",
    ),
    ("|modified z| < {z}", "|z modificada| < {z}"),
    (
        "of {count} test examples as many per second, batched by length, in turns",
        "de {count} ejemplos de prueba, cuántos por segundo, en lotes por longitud, por turnos",
    ),
    (
        "texts of the test split, evenly over their lengths, in turns",
        "textos de la partición de prueba, repartidos por longitud, por turnos",
    ),
    # where a licence was read
    ("the catalogue of alambique", "el catálogo de alambique"),
    ("README.md of the hub at that commit", "README.md del hub en ese commit"),
    ("{rest}, named by README.md of {names}", "{rest}, nombrado por README.md de {names}"),
    ("not read at the hub", "no se leyó en el hub"),
    ("README.md of its folder", "README.md de su carpeta"),
    ("the name of its file {file}", "el nombre de su archivo {file}"),
    ("no folder that could say so", "ninguna carpeta que lo diga"),
    (
        "neither README.md nor the name of a file says so",
        "no lo dicen ni README.md ni el nombre de un archivo",
    ),
    # notes on the data
    (
        "{n} of {all} {split} examples share their {what} with {other}, such as {id}: scores on "
        "{split} may be too good",
        "{n} de {all} ejemplos de {split} tienen el mismo {what} que otro de {other}, como {id}: "
        "las puntuaciones en {split} pueden ser demasiado buenas",
    ),
    (
        "{n} rows of {split} are marked as missing something: left out",
        "{n} filas de {split} están marcadas como incompletas: no se usan",
    ),
    (
        "{n} unlabelled rows are marked as missing something: left out",
        "{n} filas sin etiquetas están marcadas como incompletas: no se usan",
    ),
    (
        "{n} of {all} unlabelled examples have the text of one of {splits}: left out",
        "{n} de {all} ejemplos sin etiquetas tienen el texto de uno de {splits}: no se usan",
    ),
    (
        "the tokenizer of the {model} has no piece for {n} words of test, such as word {place} of "
        "{id}, {word}: no network can tag them, and they count as untagged; clean the data, or "
        "take a model whose tokenizer knows them",
        "el tokenizador de «{model}» no tiene pieza para {n} palabras de prueba, como la palabra "
        "{place} de {id}, {word}: ninguna red puede etiquetarlas, y cuentan como no etiquetadas; "
        "conviene limpiar los datos, o tomar un modelo cuyo tokenizador las conozca",
    ),
    # notes on how students came about
    (
        "the students on the front were chosen among the trials, and their baselines, which have "
        "the same settings, were not: a part of what is gained may be that choice",
        "los alumnos del frente se eligieron entre los ensayos, y sus referencias, que tienen los "
        "mismos ajustes, no: parte de la ganancia puede ser esa elección",
    ),
    (
        "trials were compared by milliseconds that each was timed for by itself, beside what else "
        "ran; those of the table were taken in turns",
        "los ensayos se compararon por los milisegundos que cada uno tardó por su cuenta, junto a "
        "lo demás que se ejecutaba; los de la tabla se midieron por turnos",
    ),
    (
        "the teacher came fine-tuned, and nobody here knows the encoder that it was before: "
        "gold-only starts from the teacher's own layers, as same-start does",
        "el maestro llegó ya ajustado, y aquí no se conoce el codificador que era antes: el alumno "
        "de solo etiquetas parte de las capas del propio maestro, como el de mismo inicio",
    ),
    (
        "a part of the gain is the student's head start: it begins with its teacher's fine-tuned "
        "layers, and gold-only with the encoder's; compare: [gold-only, same-start] tells how much",
        "parte de la ganancia es la ventaja inicial del alumno: empieza con las capas ya ajustadas "
        "de su maestro, y el de solo etiquetas con las del codificador; "
        "compare: [gold-only, same-start] dice cuánta",
    ),
    # notes on a line of the table
    (
        "{role}, seed {seed}: a loss stopped being finite; measured are the weights of the best "
        "epoch before, after {steps} steps at most",
        "{role}, semilla {seed}: una pérdida dejó de ser finita; se midieron los pesos de la mejor "
        "época anterior, tras {steps} pasos como mucho",
    ),
    (
        "{role}: a loss stopped being finite; measured are the weights of the best epoch before, "
        "after {steps} steps at most",
        "{role}: una pérdida dejó de ser finita; se midieron los pesos de la mejor época anterior, "
        "tras {steps} pasos como mucho",
    ),
    ("trial {trial}: {rest}", "ensayo {trial}: {rest}"),
    (
        "distilling did not help here: {metric} {points} points against {over} (interval {low} to "
        "{high})",
        "aquí destilar no ayudó: {metric} {points} puntos frente a «{over}» (intervalo de {low} a "
        "{high})",
    ),
    (
        "what distilling gained may be chance: {metric} {points} points over {over}, interval "
        "{low} to {high} holds 0",
        "lo que ganó la destilación puede ser azar: {metric} {points} puntos sobre «{over}», el "
        "intervalo de {low} a {high} contiene el 0",
    ),
    (
        "one seed: the interval of the gain is over examples alone; give seeds to see how much the "
        "training itself varies",
        "una semilla: el intervalo de la ganancia es solo sobre ejemplos; con varias semillas se "
        "ve cuánto varía el propio entrenamiento",
    ),
    (
        "{n} seeds: of so few the interval of the gain is narrow, and holds the true gain less "
        "often than 95 times of 100",
        "{n} semillas: con tan pocas el intervalo de la ganancia es estrecho, y contiene la "
        "verdadera menos de 95 veces de cada 100",
    ),
    (
        "the machine was busy: {quick} took {least} ms on its {device} and {slow}, a network of "
        "the same shape, {most} ms; times of this table are not to be relied on",
        "la máquina estaba ocupada: «{quick}» tardó {least} ms en su {device} y «{slow}», una red "
        "de la misma forma, {most} ms; los tiempos de esta tabla no son de fiar",
    ),
    (
        "the machine was busy: {quick} took {least} ms and {slow}, a network of the same shape, "
        "{most} ms; times of this table are not to be relied on",
        "la máquina estaba ocupada: «{quick}» tardó {least} ms y «{slow}», una red de la misma "
        "forma, {most} ms; los tiempos de esta tabla no son de fiar",
    ),
    # notes on the choice of a teacher
    (
        "collapsed: {run}: validation loss {loss}, {rest}",
        "hundido: {run}: pérdida en validación {loss}, {rest}",
    ),
    ("collapsed: {run}: {rest}", "hundido: {run}: {rest}"),
    (
        "the {teacher} would not pass the gate, which the job has off: {rest}",
        "«{teacher}» no pasaría el control de maestros, que el trabajo tiene desactivado: {rest}",
    ),
    (
        "{metric} on the validation examples is {score}, that of {baseline} {theirs}; the "
        "difference is {gain} ({low} to {high}), and has to be more than half the width of its "
        "interval, {half}",
        "{metric} en los ejemplos de validación es {score}, y la de la referencia simple "
        "(«{baseline}») {theirs}; "
        "la diferencia es {gain} (de {low} a {high}), y ha de ser mayor que la mitad de la "
        "anchura de su intervalo, {half}",
    ),
    (
        "{metric} on the validation examples is {score}, less than {ratio} of {middle}, the median "
        "of the {n} other runs",
        "{metric} en los ejemplos de validación es {score}, menos del {ratio} de {middle}, la "
        "mediana de las otras {n} ejecuciones",
    ),
    # notes on engines
    (
        "the teacher could not be made an ONNX file (the log says why): speed-ups of the engines "
        "are over it by {engine}",
        "el maestro no se pudo convertir a ONNX (el registro del trabajo dice por qué): la razón "
        "de velocidades de los motores es sobre él con {engine}",
    ),
    (
        "the processor of this race has no instructions for products of bytes (VNNI or the like): "
        "int8 may be slow there, and its products may overflow, which costs score",
        "el procesador de esta prueba no tiene instrucciones para productos de bytes (VNNI o "
        "similares): int8 puede ser lento en él, y sus productos pueden desbordarse, lo que cuesta "
        "puntuación",
    ),
    (
        "not registered: {metric} on validation {score}, the network's own {own}; "
        "compress.tolerance says how much less is accepted",
        "no se registró: {metric} en validación {score}, la de la propia red "
        "{own}; compress.tolerance dice cuánto menos se acepta",
    ),
)
"""Each sentence with its parts in braces, and the same in Spanish; `rest` is one of them itself."""


_GREEDY = ("rest", "baseline")
"""Parts that have as many words as can be; others have as few."""


def sentence(text: object) -> str | None:
    """Return a sentence of the platform in Spanish; None: it is none of those that are known.

    >>> sentence("one, the longer text cut first")
    'una; se corta primero el texto más largo'
    """
    for pattern, spanish in _patterns():
        if found := pattern.fullmatch(" ".join(str(text).split())):
            parts = {name: _part(name, part) for name, part in found.groupdict().items()}
            if "rest" in parts and (rest := sentence(found["rest"])) is None:
                continue
            return spanish.format_map(parts | ({"rest": rest} if "rest" in parts else {}))
    return None


def word(text: object) -> str:
    """Return a word of the platform in Spanish, or a name as it is.

    >>> word("distilled, trial 3"), word("onnx-int8")
    ('alumno, destilado, ensayo 3', 'onnx-int8')
    """
    whole = str(text)
    if whole in WORDS:
        return WORDS[whole]
    parts = (re.sub(r"^trial (?=\d)", "ensayo ", part) for part in whole.split(", "))
    return ", ".join(WORDS.get(part, part) for part in parts)


def _part(name: str, text: str) -> str:
    return " y ".join(map(word, text.split(" and "))) if name == "splits" else word(text)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(english), spanish) for english, spanish in SENTENCES)


def _pattern(english: str) -> re.Pattern[str]:
    """Return what matches a sentence: a part that stands in it twice is the same both times."""
    seen = set[str]()
    out = []
    for literal, name in re.findall(r"([^{}]+)|\{(\w+)\}", english):
        if literal:
            out.append(re.escape(literal))
        elif name in seen:
            out.append(f"(?P={name})")
        else:
            seen.add(name)
            out.append(f"(?P<{name}>.+)" if name in _GREEDY else f"(?P<{name}>.+?)")
    return re.compile("".join(out))
