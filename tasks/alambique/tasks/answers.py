"""The two metrics of extractive question answering in Spanish tables, by name."""

import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

_SPANISH = re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b")
_ENGLISH = re.compile(r"\b(a|an|the)\b")

Normalise = Callable[[str], str]
Metric = Callable[[str, Sequence[str], Normalise], float]


def mlqa_es(text: str) -> str:
    """The text as MLQA's evaluation compares it, language es.

    >>> mlqa_es("¿El río Ebro?"), mlqa_es("a lo largo del río")
    ('río ebro', 'a lo largo del río')
    """
    return " ".join(_SPANISH.sub(" ", text.lower().translate(_unicode_punctuation())).split())


def squad_en(text: str) -> str:
    """The text as the English SQuAD 1.1 script compares it, which many Spanish tables used.

    >>> squad_en("a Madrid"), squad_en("¿El río Ebro?")
    ('madrid', '¿el río ebro')
    """
    return " ".join(_ENGLISH.sub(" ", text.lower().translate(_ascii_punctuation())).split())


@cache
def _ascii_punctuation() -> dict[int, None]:
    return dict.fromkeys(map(ord, string.punctuation))


@cache
def _unicode_punctuation() -> dict[int, None]:
    all_characters = map(chr, range(sys.maxunicode + 1))
    found = (ord(c) for c in all_characters if unicodedata.category(c).startswith("P"))
    return dict.fromkeys(found) | _ascii_punctuation()


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
