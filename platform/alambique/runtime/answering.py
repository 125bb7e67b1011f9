"""Questions answered, sentences tagged, texts classified and rated with one model."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from alambique.distill.alignment import FloatArray
from alambique.runtime.softmax import softmax
from alambique.runtime.spans import Span, SpanSettings, best_span
from alambique.runtime.tags import word_tags
from alambique.runtime.windows import Encoder, Inputs, Window, pad
from alambique.runtime.words import words_of

Forward = Callable[[Inputs], NDArray[np.float32]]
"""A network: from B padded windows to the logits (B, N, C) of their pieces."""


def answer(
    question: str,
    context: str,
    encoder: Encoder,
    forward: Forward,
    settings: SpanSettings | None = None,
) -> Span:
    """Return the span of the context that answers the question; its text is empty where none does.

    That none does is an answer only with a `null_threshold` in the settings.
    """
    windows = encoder.question(question, context)
    return best_span(windows, window_logits(windows, encoder, forward), context, settings)


def tag(
    text: str | Sequence[str], encoder: Encoder, forward: Forward, labels: Sequence[str]
) -> list[tuple[str, str]]:
    """Return each word of a text, or of a sentence given as words, with its tag."""
    words = [text[a:b] for a, b in words_of(text)] if isinstance(text, str) else list(text)
    windows = encoder.words(words)
    tags = word_tags(windows, window_logits(windows, encoder, forward), labels, len(words))
    return list(zip(words, tags, strict=True))


def classify(
    texts: Sequence[str], encoder: Encoder, forward: Forward, labels: Sequence[str]
) -> dict[str, float]:
    """Return the probability of each class of a text or of a pair of them, the likeliest first."""
    (logits_1C,) = window_logits([encoder.texts(*texts)], encoder, forward)
    by_label = dict(zip(labels, softmax(logits_1C[0]).tolist(), strict=True))
    return dict(sorted(by_label.items(), key=lambda item: -item[1]))


def rate(texts: Sequence[str], encoder: Encoder, forward: Forward) -> float:
    """Return the score of a text, or of a pair of texts."""
    (logits_11,) = window_logits([encoder.texts(*texts)], encoder, forward)
    return float(logits_11[0, 0])


def window_logits(
    windows: Sequence[Window], encoder: Encoder, forward: Forward, *, batch: int = 8
) -> list[FloatArray]:
    """Return the logits (N, C) of each window, without those of the padding."""
    logits: list[FloatArray] = []
    for start in range(0, len(windows), batch):
        group = windows[start : start + batch]
        logits_BNC = forward(pad(group, encoder.pad_id))
        logits += [logits_NC[: len(w)] for w, logits_NC in zip(group, logits_BNC, strict=True)]
    return logits
