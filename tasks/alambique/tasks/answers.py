"""The two metrics of extractive question answering in Spanish tables, by name."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

_SPANISH = re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b")
_ENGLISH = re.compile(r"\b(a|an|the)\b")

Normalise = Callable[[str], str]
Metric = Callable[[str, Sequence[str], Normalise], float]


def mlqa_es(text: str) -> str:
    """The text as MLQA's evaluation compares it, language es.

    >>> mlqa_es("¿El río Ebro?"), mlqa_es("a lo largo del río")
    ('río ebro', 'a lo largo del río')
    """
    return _normalised_words(text, _is_punctuation, _SPANISH)


def squad_en(text: str) -> str:
    """The text as the English SQuAD 1.1 script compares it, which many Spanish tables used.

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
    """1 where the prediction is one of the gold answers, both normalised; else 0."""
    return float(normalise(prediction) in map(normalise, golds))


def f1(prediction: str, golds: Sequence[str], normalise: Normalise) -> float:
    """The highest F1 over the gold answers, on the words of the normalised texts.

    >>> f1("el río Ebro", ["río Ebro", "Ebro"], squad_en), f1("La", ["la"], mlqa_es)
    (0.8, 0.0)
    """
    return max(_overlap(normalise(prediction), normalise(gold)) for gold in golds)


def _overlap(prediction: str, gold: str) -> float:
    ours, theirs = prediction.split(), gold.split()
    common = (Counter(ours) & Counter(theirs)).total()
    # nothing on either side is no overlap, as in the reference
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0
