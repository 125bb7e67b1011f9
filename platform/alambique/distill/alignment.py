"""Teacher outputs by words: records of the teacher's windows, and targets for the student's.

Numpy only, so that the cache can be filled and read without torch.

Shapes: N pieces of a window, W words of a text, P words with a piece in a window, K words that have
more context in this window than in another, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alambique.spec.errors import BadTeacher

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float32]

NO_MASS = np.float32(-1e4)
"""The log-odds of a word that has pieces, but none with which an answer could start (or end)."""


class Pieces(Protocol):
    """A window, as far as it says which words its pieces belong to."""

    @property
    def null(self) -> int:
        """The position of the piece that stands for no answer, [CLS] or <s>."""

    @property
    def first_word_N(self) -> IntArray:
        """The first word that each piece overlaps; -1: none."""

    @property
    def last_word_N(self) -> IntArray:
        """The last word that each piece overlaps; -1: none."""

    @property
    def best_words_K(self) -> IntArray:
        """The words that have more context here than in any other window of the text, ascending."""

    @property
    def whole(self) -> tuple[int, int]:
        """The range of words that this window's edges do not cut, its end not included."""


@dataclass(frozen=True, slots=True, eq=False)
class WordPieces:
    """The words (P,), ascending, that have a piece, and the positions of its first and last."""

    words_P: IntArray
    first_P: IntArray
    last_P: IntArray


def pieces_of(first_word_N: IntArray, last_word_N: IntArray) -> WordPieces:
    """Return the words that have pieces, and where. A piece may overlap several, or none (-1).

    >>> pieces = pieces_of(np.array([-1, 0, 0, 1, -1]), np.array([-1, 0, 0, 3, -1]))
    >>> pieces.words_P.tolist(), pieces.first_P.tolist(), pieces.last_P.tolist()
    ([0, 1, 2, 3], [1, 3, 3, 3], [2, 3, 3, 3])

    Args:
        first_word_N: the first word that each piece overlaps; -1: none.
        last_word_N: the last word that each piece overlaps; -1: none.
    """
    positions = np.flatnonzero(first_word_N >= 0)
    counts = last_word_N[positions] - first_word_N[positions] + 1
    if (counts > 1).any():
        ends = np.cumsum(counts)
        within = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
        words = np.repeat(first_word_N[positions], counts) + within
        positions = np.repeat(positions, counts)
    else:
        words = first_word_N[positions]
    words_P, first_P = np.unique(words, return_index=True)
    _, from_end_P = np.unique(words[::-1], return_index=True)
    return WordPieces(
        words_P.astype(np.int32),
        positions[first_P].astype(np.int32),
        positions[::-1][from_end_P].astype(np.int32),
    )


def span_record(windows: Sequence[Pieces], logits: Sequence[FloatArray], words: int) -> FloatArray:
    """Return start and end log-odds (W, 2) of each word against no answer.

    They come from the window in which the word has most context. A piece's start mass belongs to
    the first word that it overlaps, its end mass to the last; a word's mass is the sum over its
    pieces. The log-odds are against the null of *the same window*: raw logits of two windows differ
    by a constant that means nothing.

    Args:
        windows: all windows of one text.
        logits: start and end logits (N, 2) of each window's pieces.
        words: W, how many words the text has.

    Returns:
        Finite, `NO_MASS` where no piece starts (ends) with the word; NaN rows where a word has no
        piece at all.

    Raises:
        BadTeacher: a logit is NaN or infinite.
    """
    record_W2 = np.full((words, 2), np.nan, dtype=np.float32)
    for window, logits_N2 in zip(windows, logits, strict=True):
        odds_N2 = _finite(logits_N2) - logits_N2[window.null]
        mass_W2 = np.full((words, 2), NO_MASS, dtype=np.float32)
        has_word_N = window.first_word_N >= 0
        np.logaddexp.at(mass_W2[:, 0], window.first_word_N[has_word_N], odds_N2[has_word_N, 0])
        np.logaddexp.at(mass_W2[:, 1], window.last_word_N[has_word_N], odds_N2[has_word_N, 1])
        record_W2[window.best_words_K] = mass_W2[window.best_words_K]
    return record_W2


def span_target(record_W2: FloatArray, window: Pieces) -> FloatArray:
    """Return the log masses (2, N) that a window's start and end distributions should have.

    They are 0 at the null; a word's start mass is on its first piece, its end mass on its last,
    summed where words share such a piece; -inf elsewhere. Words that the window's edge cuts are
    left out, and words without a record. A softmax over the row gives the distribution.
    """
    pieces = pieces_of(window.first_word_N, window.last_word_N)
    low, high = window.whole
    whole_P = (pieces.words_P >= low) & (pieces.words_P < high)
    target_2N = np.full((2, len(window.first_word_N)), -np.inf, dtype=np.float32)
    for side, position_P in enumerate((pieces.first_P, pieces.last_P)):
        mass_P = record_W2[pieces.words_P, side]
        kept_P = whole_P & (mass_P > NO_MASS)  # neither is NaN
        np.logaddexp.at(target_2N[side], position_P[kept_P], mass_P[kept_P])
    target_2N[:, window.null] = 0.0
    return target_2N


def tag_record(windows: Sequence[Pieces], logits: Sequence[FloatArray], words: int) -> FloatArray:
    """Return the logits (W, C) at each word's first piece, where the word has most context.

    Args:
        windows: all windows of one text, at least one.
        logits: the logits (N, C) of each window's pieces.
        words: W, how many words the text has.

    Returns:
        NaN rows where a word has no piece.

    Raises:
        BadTeacher: a logit is NaN or infinite.
    """
    record_WC = np.full((words, logits[0].shape[1]), np.nan, dtype=np.float32)
    for window, logits_NC in zip(windows, logits, strict=True):
        words_P, positions_P = first_pieces(window)
        record_WC[words_P] = _finite(logits_NC)[positions_P]
    return record_WC


def tag_target(record_WC: FloatArray, words_P: IntArray) -> FloatArray:
    """Return the teacher's logits (P, C) of some words; -inf throughout where it has no piece."""
    target_PC = record_WC[words_P]
    target_PC[np.isnan(target_PC).any(axis=1)] = -np.inf
    return target_PC


def class_record(logits_1C: FloatArray) -> FloatArray:
    """Return the logits (1, C) of a whole text.

    Raises:
        BadTeacher: a logit is NaN or infinite.
    """
    return _finite(logits_1C)


def first_pieces(window: Pieces) -> tuple[IntArray, IntArray]:
    """Return the words (P,) with most context in this window, and their first pieces (P,)."""
    pieces = pieces_of(window.first_word_N, window.last_word_N)
    best_P = np.isin(pieces.words_P, window.best_words_K)
    return pieces.words_P[best_P], pieces.first_P[best_P]


def _finite(logits: FloatArray) -> FloatArray:
    if not np.isfinite(logits).all():
        raise BadTeacher(
            f"{int((~np.isfinite(logits)).sum())} of the teacher's {logits.size} logits for a "
            "text are NaN or infinite: take another checkpoint, or another precision"
        )
    return logits
