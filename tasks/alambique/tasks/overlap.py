"""Answers by the words that a question shares with a sentence: the baselines of answers."""

import re
from collections.abc import Iterator, Sequence

from alambique.runtime.spans import Span
from alambique.tasks.examples import Question
from alambique.tasks.task import Baseline

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"\S.*?(?:(?<![.!?…])[.!?…]+[\"'»”)\]]*(?=\s)|\n|\Z)", re.DOTALL)
"""Up to its full stop, with what closes behind it, to the end of the line, or to that of all."""
_NOTHING = Span("", 0, 0, score=0.0, probability=1.0, null_score=1.0)


def best_sentences(_: Sequence[Question], examples: Sequence[Question]) -> list[Span]:
    """The sentence of the context that has most words of the question, of equal ones the first."""
    return [_best_sentence(example) for example in examples]


def no_answers(_: Sequence[Question], examples: Sequence[Question]) -> list[Span]:
    """No answer to any question: where many have none, this is right for many."""
    return [_NOTHING] * len(examples)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """The first character of each sentence, and the one after its last.

    >>> [("¿Qué? «Nada.» Fin"[a:b]) for a, b in sentences("¿Qué? «Nada.» Fin")]
    ['¿Qué?', '«Nada.»', 'Fin']
    """
    for found in _SENTENCE.finditer(text):
        yield found.start(), found.start() + len(found[0].rstrip())


def _best_sentence(example: Question) -> Span:
    asked = _words(example.question)
    found = max(
        sentences(example.context),
        key=lambda span: len(asked & _words(example.context[slice(*span)])),
        default=None,
    )
    if found is None:
        return _NOTHING
    start, end = found
    text = example.context[start:end]
    return Span(text, start, end, score=1.0, probability=1.0, null_score=0.0)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


BASELINES: tuple[Baseline[Question, Span], ...] = (
    Baseline("the sentence with most words of the question", best_sentences),
    Baseline("no answer", no_answers),
)
