"""Question answering: the span of a context that answers a question, or none."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from alambique.distill.alignment import FloatArray, pieces_of
from alambique.runtime.spans import Span, SpanSettings, best_span
from alambique.runtime.windows import Encoder, Window
from alambique.runtime.words import IntArray, covered_words, words_of
from alambique.spec.field_errors import BadField, refuse
from alambique.spec.outputs import Output
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Question
from alambique.tasks.formats import squad
from alambique.tasks.formats.columns import names_in_file
from alambique.tasks.formats.parquet import QuestionColumns, read_questions
from alambique.tasks.task import Baseline, Reader, SpanGold, Task

_SPANISH = re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b")
_ENGLISH = re.compile(r"\b(a|an|the)\b")

Normalise = Callable[[str], str]
Metric = Callable[[str, Sequence[str], Normalise], float]


def mlqa_es(text: str) -> str:
    """Return the text as MLQA's evaluation compares it, language es.

    >>> mlqa_es("¿El río Ebro?"), mlqa_es("a lo largo del río")
    ('río ebro', 'a lo largo del río')
    """
    return _normalised_words(text, _is_punctuation, _SPANISH)


def squad_en(text: str) -> str:
    """Return the text as the English SQuAD 1.1 script compares it, which many Spanish tables used.

    >>> squad_en("a Madrid"), squad_en("¿El río Ebro?")
    ('madrid', '¿el río ebro')
    """
    return _normalised_words(text, _is_ascii_punctuation, _ENGLISH)


def _normalised_words(text: str, dropped: Callable[[str], bool], articles: re.Pattern[str]) -> str:
    kept = "".join(character for character in text.lower() if not dropped(character))
    return " ".join(articles.sub(" ", kept).split())


def _is_ascii_punctuation(character: str) -> bool:
    return character in string.punctuation


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P") or _is_ascii_punctuation(character)


def exact_match(prediction: str, golds: Sequence[str], normalise: Normalise) -> float:
    """Return 1 if the prediction is one of the gold answers, both normalised; else 0."""
    return float(normalise(prediction) in map(normalise, golds))


def f1(prediction: str, golds: Sequence[str], normalise: Normalise) -> float:
    """Return the highest F1 over the gold answers, on the words of the normalised texts.

    >>> f1("el río Ebro", ["río Ebro", "Ebro"], squad_en), f1("La", ["la"], mlqa_es)
    (0.8, 0.0)
    """
    return max(_overlap(normalise(prediction), normalise(gold)) for gold in golds)


def _overlap(prediction: str, gold: str) -> float:
    ours, theirs = prediction.split(), gold.split()
    common = (Counter(ours) & Counter(theirs)).total()
    # nothing on either side is no overlap, as in the reference
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0


NAME = "question-answering"
SETTINGS = SpanSettings()
NULL_THRESHOLD = 0.0
"""Where a data set has questions without answers: answer nothing if that scores higher by more."""

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"\S.*?(?:(?<![.!?…])[.!?…]+[\"'»”)\]]*(?=\s)|\n|\Z)", re.DOTALL)
"""A sentence: up to its full stop and what closes behind it, or to the end of the line or text."""
_NO_ANSWER = Span("", 0, 0, score=0.0, probability=1.0, null_score=1.0)


def readers_for(called: Mapping[str, str], labels: Sequence[str]) -> Mapping[str, Reader[Question]]:
    """Return the readers of SQuAD's JSON, and of Parquet with these names for the columns.

    Raises:
        BadSpec: the task has no such column, or labels are given.
    """
    if labels:
        message = f"{NAME} finds answers in texts, and has no labels: drop them"
        refuse([BadField("data.labels", None, message)])
    columns = {name: name for name in ("id", "question", "context", "answers")}
    fields = QuestionColumns(**names_in_file(columns, called, NAME), id_named="id" in called)
    return {".json": squad.read, ".parquet": partial(read_questions, fields=fields)}


def texts(example: Question) -> tuple[str, str]:
    """Return what a model sees of a question."""
    return example.question, example.context


def windows(example: Question, encoder: Encoder) -> tuple[Window, ...]:
    """Return the windows of the context, each behind the question."""
    return encoder.question(example.question, example.context)


def word_count(example: Question) -> int:
    """Return how many words the context has."""
    return len(words_of(example.context))


def labels(examples: Sequence[Question]) -> tuple[str, ...]:
    """Return the names of the two logits of a piece."""
    return "start", "end"


def gold(example: Question, window: Window, labels: Sequence[str]) -> SpanGold:
    """Return the first answer widened to whole words, if the window holds all of it; else null."""
    nowhere = SpanGold(window.null, window.null)
    if not example.answers:
        return nowhere
    first, last = _answer_words(example, words_of(example.context))
    low, high = window.whole
    pieces = pieces_of(window.first_word_N, window.last_word_N)
    inside = (pieces.words_P >= max(first, low)) & (pieces.words_P <= min(last, high - 1))
    if first < low or last >= high or not inside.any():
        return nowhere
    return SpanGold(int(pieces.first_P[inside][0]), int(pieces.last_P[inside][-1]))


def predict(
    example: Question,
    windows: Sequence[Window],
    logits: Sequence[FloatArray],
    labels: Sequence[str],
) -> Span:
    """Return the best span; `score`, which sees all questions, decides if no answer beats it."""
    return best_span(windows, logits, example.context, SETTINGS)


def score(examples: Sequence[Question], predictions: Sequence[Span | None]) -> dict[str, float]:
    """Return F1 and exact match under both rules: f1 and em are MLQA's for Spanish.

    Where a question has no answers, as in SQuAD 2.0, nothing is the right answer to it, and the
    answer to any question is nothing where the null score wins.
    """
    may_be_none = _may_be_none(examples)
    answers = [_answer_text(prediction, may_be_none) for prediction in predictions]
    return {
        "f1": _mean(f1, examples, answers, mlqa_es),
        "em": _mean(exact_match, examples, answers, mlqa_es),
        "squad-f1": _mean(f1, examples, answers, squad_en),
        "squad-em": _mean(exact_match, examples, answers, squad_en),
    }


def fractions(examples: Sequence[Question], predictions: Sequence[Span | None]) -> Floats:
    """Return the F1 of each answer by MLQA's rule, and 1: the ratio of the sums is the score."""
    values = _mlqa_values(f1, examples, predictions)
    return np.stack([values, np.ones_like(values)], axis=1)


def right(examples: Sequence[Question], predictions: Sequence[Span | None]) -> NDArray[np.bool_]:
    """Return whether each answer is one of the gold ones by MLQA's rule."""
    return _mlqa_values(exact_match, examples, predictions) > 0


def confidence(
    prediction: Span, example: Question, windows: Sequence[Window], logits: Sequence[FloatArray]
) -> FloatArray:
    """Return the probability of the span among those considered; NaN if there is no answer.

    There the null score decides, by a threshold and not by a probability.
    """
    return np.array([prediction.probability if example.answers else np.nan], np.float32)


def _mlqa_values(
    metric: Metric, examples: Sequence[Question], predictions: Sequence[Span | None]
) -> Floats:
    """Return the metric of each answer by MLQA's rule."""
    may_be_none = _may_be_none(examples)
    answers = [_answer_text(prediction, may_be_none) for prediction in predictions]
    return np.array(
        [
            _answer_value(metric, [answer.text for answer in example.answers], answer, mlqa_es)
            for example, answer in zip(examples, answers, strict=True)
        ]
    )


def settings(examples: Sequence[Question]) -> dict[str, str | int | float]:
    """Return the settings of the decoder, with a null threshold if questions may have no answer."""
    decoder: dict[str, str | int | float] = {
        "decoder": "run_qa",
        "n_best": SETTINGS.n_best,
        "max_answer_length": SETTINGS.max_answer_length,
    }
    return decoder | ({"null_threshold": NULL_THRESHOLD} if _may_be_none(examples) else {})


def _may_be_none(examples: Sequence[Question]) -> bool:
    return any(not example.answers for example in examples)


def _answer_words(example: Question, words_W2: IntArray) -> tuple[int, int]:
    """Return the first and last word that the gold answer touches."""
    answer = example.answers[0]
    span_12 = np.array([[answer.start, answer.end]], np.int32)
    first_1, last_1 = covered_words(words_W2, span_12)
    return int(first_1[0]), int(last_1[0])


def _answer_text(prediction: Span | None, may_be_none: bool) -> str | None:
    if prediction is None:
        return None
    if may_be_none and prediction.null_score - prediction.score > NULL_THRESHOLD:
        return ""
    return prediction.text


def _mean(
    metric: Metric,
    examples: Sequence[Question],
    answers: Sequence[str | None],
    normalise: Normalise,
) -> float:
    return fmean(
        _answer_value(metric, [answer.text for answer in example.answers], answer, normalise)
        for example, answer in zip(examples, answers, strict=True)
    )


def _answer_value(
    metric: Metric, golds: Sequence[str], answer: str | None, normalise: Normalise
) -> float:
    if answer is None:
        return 0.0
    return metric(answer, golds, normalise) if golds else float(not answer)


def best_sentences(_: Sequence[Question], examples: Sequence[Question]) -> list[Span]:
    """Return the sentence of each context that has most words of its question."""
    return [_best_sentence(example) for example in examples]


def no_answers(_: Sequence[Question], examples: Sequence[Question]) -> list[Span]:
    """Return no answer to each question, which is right if many have none."""
    return [_NO_ANSWER] * len(examples)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield the first character of each sentence, and the one after its last.

    >>> [("¿Qué? «Nada.» Fin"[a:b]) for a, b in sentences("¿Qué? «Nada.» Fin")]
    ['¿Qué?', '«Nada.»', 'Fin']
    """
    for match in _SENTENCE.finditer(text):
        yield match.start(), match.start() + len(match[0].rstrip())


def _best_sentence(example: Question) -> Span:
    asked = _lower_words(example.question)
    best = max(
        sentences(example.context),
        key=lambda span: len(asked & _lower_words(example.context[slice(*span)])),
        default=None,
    )
    if best is None:
        return _NO_ANSWER
    start, end = best
    text = example.context[start:end]
    return Span(text, start, end, score=1.0, probability=1.0, null_score=0.0)


def _lower_words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


BASELINES: tuple[Baseline[Question, Span], ...] = (
    Baseline("the sentence with most words of the question", best_sentences),
    Baseline("no answer", no_answers),
)


TASK: Task[Question, Span] = Task(
    name=NAME,
    output=Output.SPAN,
    inputs=("question", "context"),
    primary="f1",
    readers=readers_for({}, ()),
    readers_for=readers_for,
    texts=texts,
    windows=windows,
    word_count=word_count,
    labels=labels,
    gold=gold,
    predict=predict,
    score=score,
    fractions=fractions,
    right=right,
    confidence=confidence,
    baselines=BASELINES,
    settings=settings,
    scores=("f1", "em", "squad-f1", "squad-em"),
    shown=("em",),
)
