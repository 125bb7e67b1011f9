"""What a word of a running text is: the unit that teacher outputs belong to."""

import re

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int32]

# \w is what str.isalnum() accepts, and the underscore
_WORD = re.compile(r"[^\W_]+|\S")


def words_of(text: str) -> IntArray:
    """Return the character offsets (W, 2) of the words of a text, in their order.

    A word is a run of letters and digits, or one other character that is not a space; so every
    character but the spaces belongs to exactly one word.

    >>> [("¿Nació en 1.º?"[a:b]) for a, b in words_of("¿Nació en 1.º?")]
    ['¿', 'Nació', 'en', '1', '.', 'º', '?']
    """
    spans = [match.span() for match in _WORD.finditer(text)]
    return np.array(spans, dtype=np.int32).reshape(-1, 2)


def covered_words(words_W2: IntArray, spans_N2: IntArray) -> tuple[IntArray, IntArray]:
    """Return the first and the last word that each span of characters overlaps; -1: none.

    Args:
        words_W2: offsets of the words, ascending, as `words_of` gives them.
        spans_N2: character offsets, the end not included.

    Returns:
        Two arrays (N,).
    """
    first_N = np.searchsorted(words_W2[:, 1], spans_N2[:, 0], side="right").astype(np.int32)
    last_N = np.searchsorted(words_W2[:, 0], spans_N2[:, 1], side="left").astype(np.int32) - 1
    nothing_N = (first_N > last_N) | (spans_N2[:, 0] >= spans_N2[:, 1])
    return np.where(nothing_N, np.int32(-1), first_N), np.where(nothing_N, np.int32(-1), last_N)
