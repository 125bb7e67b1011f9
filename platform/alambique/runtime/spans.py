"""Answers from start and end logits, decoded as transformers' run_qa example does it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alambique.distill.alignment import FloatArray, IntArray
from alambique.runtime.softmax import softmax
from alambique.runtime.windows import Window

NO_SPAN = "empty"
"""The text of run_qa's placeholder where no pair of positions makes a span."""

LongArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SpanSettings:
    """What decides which span wins. To be printed beside every score."""

    n_best: int = 20
    """How many starts, ends and spans are considered."""
    max_answer_length: int = 30
    """Pieces of the longest answer."""
    null_threshold: float | None = None
    """Answer nothing where the null score beats the best span's by more; None: always answer."""
    own_window: bool = False
    """Whether a span may start only in the window where its first word has most context."""


@dataclass(frozen=True, slots=True)
class Span:
    """An answer and where it stands in the context; no answer is the empty text."""

    text: str
    start: int
    end: int
    """In characters, not included."""
    score: float
    """Start logit plus end logit."""
    probability: float
    """Among the spans considered."""
    null_score: float
    """Of no answer: the smallest, over the windows, of the null's start plus end logit."""


def best_span(
    windows: Sequence[Window],
    logits: Sequence[FloatArray],
    context: str,
    settings: SpanSettings | None = None,
) -> Span:
    """Return the best span of `nbest`, or no answer if that beats it by more than the threshold.

    Args:
        windows: all windows of the context.
        logits: start and end logits (N, 2) of each.
        context: the text that the windows' offsets count in.
        settings: those of run_qa where not given.

    Returns:
        The empty text too where no pair of positions makes a span.
    """
    settings = settings or SpanSettings()
    return choose_span(nbest(windows, logits, context, settings), settings)


def choose_span(spans: Sequence[Span], settings: SpanSettings) -> Span:
    """Return the span of `nbest` that is the answer, as `best_span` does."""
    best = next(span for span in spans if span.text)
    has_span = best.end > best.start
    threshold = settings.null_threshold
    if has_span and (threshold is None or best.null_score - best.score <= threshold):
        return best
    none = next((span for span in spans if not span.text), best)
    return replace(none, text="", start=0, end=0)


def nbest(
    windows: Sequence[Window],
    logits: Sequence[FloatArray],
    context: str,
    settings: SpanSettings,
) -> list[Span]:
    """Return the best spans of all windows, best first, with their probabilities among each other.

    The best starts and ends are taken over all positions before those that are no text are left
    out. Under a null threshold no answer is one of the spans, whatever its rank.
    """
    scores_F, spans_F2 = _candidates(windows, logits, settings)
    null = min(float(x_N2[w.null].sum()) for w, x_N2 in zip(windows, logits, strict=True))
    if settings.null_threshold is not None:
        scores_F, spans_F2 = np.append(scores_F, null), np.append(spans_F2, [[0, 0]], axis=0)
    order = np.argsort(-scores_F, kind="stable")[: settings.n_best]
    spans = [
        Span(context[a:b], a, b, score, 0.0, null)
        for (a, b), score in zip(spans_F2[order].tolist(), scores_F[order].tolist(), strict=True)
    ]
    if settings.null_threshold is not None and all(span.text for span in spans):
        spans.append(Span("", 0, 0, null, 0.0, null))
    if not any(span.text for span in spans):
        spans.insert(0, Span(NO_SPAN, 0, 0, 0.0, 0.0, null))
    probabilities = softmax(np.array([span.score for span in spans])).tolist()
    return [replace(span, probability=p) for span, p in zip(spans, probabilities, strict=True)]


def _candidates(
    windows: Sequence[Window], logits: Sequence[FloatArray], settings: SpanSettings
) -> tuple[NDArray[np.float64], IntArray]:
    """Return scores (F,) and character offsets (F, 2) of allowed pairs of starts and ends."""
    scores, spans = [np.zeros(0)], [np.zeros((0, 2), np.int32)]
    for window, logits_N2 in zip(windows, logits, strict=True):
        start_F, end_F = _pairs(logits_N2, settings.n_best)
        allowed_F = (
            (window.first_word_N[start_F] >= 0)
            & (window.first_word_N[end_F] >= 0)
            & (end_F >= start_F)
            & (end_F - start_F < settings.max_answer_length)
        )
        if settings.own_window:
            allowed_F &= np.isin(window.first_word_N[start_F], window.best_words_K)
        start_F, end_F = start_F[allowed_F], end_F[allowed_F]
        scores.append(logits_N2[start_F, 0].astype(np.float64) + logits_N2[end_F, 1])
        offsets = window.offsets_N2
        spans.append(np.stack([offsets[start_F, 0], offsets[end_F, 1]], axis=1))
    return np.concatenate(scores), np.concatenate(spans)


def _pairs(logits_N2: FloatArray, count: int) -> tuple[LongArray, LongArray]:
    """Return each of the best starts with each of the best ends, as positions."""
    best_2N = np.argsort(-logits_N2, axis=0, kind="stable")[:count].T
    starts, ends = np.meshgrid(best_2N[0], best_2N[1], indexing="ij")
    return starts.ravel(), ends.ravel()
