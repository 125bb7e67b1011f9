"""Teaching the sample encoder to point: from a question to the words of a passage that answer it.

Like recurring span selection (Ram et al., 2021, §3): of two texts that say the same, one has a gap,
and the network points to the words in the other that fill it. Alone, at this size, it stays for
long where it guesses among values of the right kind; two easier aims, which every piece of the
passage answers, show the way: is the piece in the question too, and is it of the sentence that
holds the answer?

Shapes: B rows of a batch, N pieces of the longest.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from benchmarks.sample.lessons import Lesson, Note, lessons
from benchmarks.sample.wording import Span
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ModernBertModel

from alambique.models.tokenizers import PAD, SPECIAL

POOL = 16
"""Batches that are drawn together and sorted by length, so that little of them is padding."""
BRIEF = 0.5
"""Share of the steps on brief passages, which come first."""
AIMS = 2.0
"""Weight of each of the two easier aims."""

_SENTENCE_END = re.compile(r"\. ")


@dataclass(frozen=True, slots=True)
class Gap:
    """A question without its answer, and where its passage has it."""

    question: str
    passage: str
    answer: Span
    sentence: Span
    """That holds the answer."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Gaps as tensors; float masks are 1 where the thing is so."""

    input_ids_BN: Tensor
    attention_BN: Tensor
    passage_BN: Tensor
    """bool"""
    shared_BN: Tensor
    """The piece is in the question too."""
    evidence_BN: Tensor
    """The piece is of the sentence that holds the answer."""
    span_B2: Tensor
    """First and last piece of the answer."""


class Pointer(nn.Module):
    """An encoder with the four heads of this training, which are thrown away after it."""

    def __init__(self, encoder: ModernBertModel) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.Linear(encoder.config.hidden_size, 4)

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch."""
        hidden = self.encoder(batch.input_ids_BN, batch.attention_BN).last_hidden_state
        start_BN, end_BN, shared_BN, evidence_BN = self.heads(hidden).unbind(-1)
        pointing = [
            F.cross_entropy(logits.masked_fill(~batch.passage_BN, -1e4), batch.span_B2[:, side])
            for side, logits in enumerate((start_BN, end_BN))
        ]
        inside = batch.passage_BN
        aims = [
            F.binary_cross_entropy_with_logits(logits[inside], right[inside])
            for logits, right in (
                (shared_BN, batch.shared_BN),
                (evidence_BN, batch.evidence_BN),
            )
        ]
        return torch.stack(pointing).mean() + AIMS * torch.stack(aims).sum()


@contextmanager
def shallow(encoder: ModernBertModel, random: np.random.Generator) -> Iterator[None]:
    """The encoder with some of its layers left out, most of the time; never the first.

    LayerDrop (Fan et al., 2020, §3): students that are cut from it later find what they kept able
    to work without the rest.
    """
    layers = encoder.layers
    others = range(1, len(layers))
    kept = [0, *sorted(random.permutation(others)[: random.integers(1, len(layers))].tolist())]
    encoder.layers = nn.ModuleList([layers[number] for number in kept])
    try:
        yield
    finally:
        encoder.layers = layers


def batches(tokenizer: Tokenizer, seed: int, steps: int, size: int) -> Iterator[Batch]:
    """Batches to learn from, brief passages first; at least `steps` of them."""
    random = np.random.default_rng([seed, 1])
    brief = round(BRIEF * steps)
    yield from islice(_some(tokenizer, random, gaps(lessons(seed, brief=True)), size), brief)
    yield from _some(tokenizer, random, gaps(lessons(seed, brief=False)), size)


def gaps(endless: Iterator[Lesson]) -> Iterator[Gap]:
    """At most two questions about each passage."""
    for lesson in endless:
        asked = [note for note in lesson.notes if note.text.startswith("¿")]
        for note in asked[:2]:
            yield gap_of(note, lesson.context)


def gap_of(note: Note, passage: str) -> Gap:
    """A note without its value."""
    question = f"{note.text[: note.value.start]}{note.text[note.value.end :]}".strip()
    ends = [found.end() for found in _SENTENCE_END.finditer(passage)]
    start = max((end for end in ends if end <= note.source.start), default=0)
    end = min((end for end in ends if end > note.source.start), default=len(passage))
    return Gap(question, passage, note.source, Span(start, end))


def _some(
    tokenizer: Tokenizer, random: np.random.Generator, endless: Iterator[Gap], size: int
) -> Iterator[Batch]:
    while True:
        pool = list(islice(endless, size * POOL))
        encodings = tokenizer.encode_batch([(gap.question, gap.passage) for gap in pool])
        by_length = np.argsort([len(encoding) for encoding in encodings], kind="stable")
        for chosen in random.permutation(by_length.reshape(POOL, size)):
            yield batch_of([(encodings[i], pool[i]) for i in chosen])


def batch_of(chosen: Sequence[tuple[Encoding, Gap]]) -> Batch:
    """Tokenized gaps, padded."""
    shape = len(chosen), max(len(encoding) for encoding, _ in chosen)
    ids_BN = np.full(shape, SPECIAL.index(PAD), dtype=np.int64)
    passage_BN, shared_BN, evidence_BN = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
    span_B2 = np.zeros((len(chosen), 2), dtype=np.int64)
    for b, (encoding, gap) in enumerate(chosen):
        length = len(encoding)
        ids_N, offsets_N2 = np.array(encoding.ids), np.array(encoding.offsets)
        passage_N = np.array([segment == 1 for segment in encoding.sequence_ids])
        ids_BN[b, :length], passage_BN[b, :length] = ids_N, passage_N
        shared_BN[b, :length] = np.isin(ids_N, ids_N[~passage_N & (ids_N >= len(SPECIAL))])
        evidence_BN[b, :length] = passage_N & _within(offsets_N2, gap.sentence)
        span_B2[b] = np.flatnonzero(passage_N & _within(offsets_N2, gap.answer))[[0, -1]]
    return Batch(
        torch.from_numpy(ids_BN),
        torch.from_numpy((ids_BN != SPECIAL.index(PAD)).astype(np.int64)),
        torch.from_numpy(passage_BN),
        torch.from_numpy(shared_BN.astype(np.float32)),
        torch.from_numpy(evidence_BN.astype(np.float32)),
        torch.from_numpy(span_B2),
    )


def _within(offsets_N2: np.ndarray, span: Span) -> np.ndarray:
    inside: np.ndarray = (offsets_N2[:, 0] >= span.start) & (offsets_N2[:, 1] <= span.end)
    return inside & (offsets_N2[:, 1] > offsets_N2[:, 0])
