"""Tags of words from the logits of their pieces."""

from collections.abc import Sequence

import numpy as np

from alambique.distill.alignment import FloatArray, first_pieces
from alambique.runtime.softmax import softmax
from alambique.runtime.windows import Window

OUTSIDE = "O"
"""The tag of all that is no entity."""


def word_tags(
    windows: Sequence[Window],
    logits: Sequence[FloatArray],
    labels: Sequence[str],
    words: int,
    *,
    missing: str = OUTSIDE,
) -> tuple[str, ...]:
    """Return the tag of each word, read at its first piece in the window where it has most context.

    Args:
        windows: all windows of one sentence.
        logits: the logits (N, C) of each.
        labels: the names of the C classes.
        words: how many words the sentence has.
        missing: the tag of a word that no piece stands for.
    """
    tags = [missing] * words
    for window, logits_NC in zip(windows, logits, strict=True):
        words_P, positions_P = first_pieces(window)
        classes_P = np.argmax(logits_NC[positions_P], axis=1)
        for word, label in zip(words_P.tolist(), classes_P.tolist(), strict=True):
            tags[word] = labels[label]
    return tuple(tags)


def tag_probabilities(
    windows: Sequence[Window], logits: Sequence[FloatArray], words: int
) -> FloatArray:
    """Return the probability (words,) of the tag that `word_tags` gives each word.

    A word that no piece stands for has 0.
    """
    probabilities: FloatArray = np.zeros(words, np.float32)
    for window, logits_NC in zip(windows, logits, strict=True):
        words_P, positions_P = first_pieces(window)
        probabilities[words_P] = softmax(logits_NC[positions_P]).max(1)
    return probabilities
