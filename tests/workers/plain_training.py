"""A training as anybody would write it with tokenizers, transformers, numpy and PyTorch alone.

It follows docs/training.md, and shares no code with what it is compared with: of the project it has
the examples and the settings, which are data, and the start folder is that of transformers.

Shapes: B rows of a batch, N pieces of the longest.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from alambique.spec.train import Train
from alambique.tasks.examples import Example, Labelled, Question, Sentence

IGNORED = -100
"""What transformers takes for a piece without a label."""


@dataclass(frozen=True)
class TagRow:
    """A window of a sentence."""

    ids: list[int]
    labels: list[int]
    """For each piece; `IGNORED` but at the first piece of a word."""


@dataclass(frozen=True)
class SpanRow:
    """A window of a context, with the question before it."""

    ids: list[int]
    allowed: list[bool]
    """For each piece, whether an answer may start or end there: [CLS] and the context."""
    start: int
    end: int


@dataclass(frozen=True)
class ClassRow:
    """A text, or a pair of them."""

    ids: list[int]
    label: int


Row = TagRow | SpanRow | ClassRow
MODELS: dict[type[Row], Any] = {
    TagRow: AutoModelForTokenClassification,
    SpanRow: AutoModelForQuestionAnswering,
    ClassRow: AutoModelForSequenceClassification,
}


def train(
    start: Path, examples: Sequence[Example], labels: Sequence[str], settings: Train
) -> list[float]:
    """The loss of every step on the gold labels."""
    tokenizer = Tokenizer.from_file(str(start / "tokenizer.json"))
    rows = [row for one in examples for row in rows_of(one, tokenizer, labels, settings)]
    model = MODELS[type(rows[0])].from_pretrained(start).train()
    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [weight for weight in weights if weight.ndim > 1],
                "weight_decay": settings.weight_decay,
            },
            {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
        ]
    )
    lengths = [len(row.ids) for row in rows]
    epochs = range(settings.epochs)
    batches = [batch for epoch in epochs for batch in batches_of(lengths, settings, epoch)]
    losses = []
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, len(batches), settings)
        loss = loss_of(model, [rows[number] for number in batch], id_of(tokenizer, "[PAD]"))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def batches_of(lengths: Sequence[int], settings: Train, epoch: int) -> list[list[int]]:
    """The batches of an epoch, each as numbers of rows."""
    random = np.random.default_rng([settings.seed, epoch])
    shuffled = [int(number) for number in random.permutation(len(lengths))]
    size = settings.batch_size or 32
    if settings.batch_tokens:
        size = max(1, settings.batch_tokens * len(lengths) // sum(lengths))
    batches = []
    while shuffled:
        pool, shuffled = shuffled[: 32 * size], shuffled[32 * size :]
        pool.sort(key=lambda number: lengths[number])
        while pool:
            count = size
            if settings.batch_tokens:  # the last row of a batch is its longest
                count = 1
                while count < len(pool) and (
                    (count + 1) * lengths[pool[count]] <= settings.batch_tokens
                ):
                    count += 1
            batches.append(pool[:count])
            pool = pool[count:]
    return [batches[number] for number in random.permutation(len(batches))]


def learning_rate(step: int, steps: int, settings: Train) -> float:
    """That of a step, counted from 0."""
    rising = round(settings.warmup * steps)
    if step < rising:
        return settings.learning_rate * (step + 1) / rising
    left = (steps - step) / (steps - rising)
    shape = {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "constant": 1.0}
    return settings.learning_rate * shape[settings.schedule]


def rows_of(
    example: Example, tokenizer: Tokenizer, labels: Sequence[str], settings: Train
) -> Iterator[Row]:
    """The windows of an example that say what is right."""
    match example:
        case Sentence():
            yield from tag_rows(example, tokenizer, labels, settings)
        case Question():
            yield from span_rows(example, tokenizer, settings)
        case Labelled():
            yield class_row(example, tokenizer, labels, settings)
        case _:
            raise TypeError(f"nothing is right of {example}")


def tag_rows(
    sentence: Sentence, tokenizer: Tokenizer, labels: Sequence[str], settings: Train
) -> Iterator[TagRow]:
    """Each word is learnt at its first piece, in the window where it has most context."""
    encoding = tokenizer.encode(
        list(sentence.words), is_pretokenized=True, add_special_tokens=False
    )
    pieces: dict[int, list[int]] = {}
    for piece, word in enumerate(encoding.word_ids):
        assert word is not None  # nothing but words was encoded
        pieces.setdefault(word, []).append(piece)
    windows = windows_of(len(encoding.ids), settings.max_length - 2, settings.stride)
    tags: list[dict[int, int]] = [{} for _ in windows]
    for word, (first, *others) in pieces.items():
        last = others[-1] if others else first
        best = max(
            (n for n, (start, end) in enumerate(windows) if start <= first < end),
            key=lambda n: (
                min(first - windows[n][0], windows[n][1] - 1 - last)
                + 0.01 * (windows[n][1] - windows[n][0])
            ),
        )
        tags[best][first] = labels.index(sentence.tags[word])
    cls, sep = special(tokenizer)
    for (start, end), known in zip(windows, tags, strict=True):
        if known:
            learnt = [known.get(piece, IGNORED) for piece in range(start, end)]
            yield TagRow([cls, *encoding.ids[start:end], sep], [IGNORED, *learnt, IGNORED])


def span_rows(question: Question, tokenizer: Tokenizer, settings: Train) -> Iterator[SpanRow]:
    """[CLS] is right where a window does not hold the whole answer."""
    asked = tokenizer.encode(question.question, add_special_tokens=False).ids
    asked = asked[: settings.max_length - 3 - settings.max_length // 2]
    context = tokenizer.encode(question.context, add_special_tokens=False)
    answer = question.answers[0]
    inside = [
        piece
        for piece, (start, end) in enumerate(context.offsets)
        if start < answer.end and end > answer.start
    ]
    cls, sep = special(tokenizer)
    before = len(asked) + 2
    room = settings.max_length - 1 - before
    for start, end in windows_of(len(context.ids), room, settings.stride):
        whole = start <= inside[0] and inside[-1] < end
        yield SpanRow(
            ids=[cls, *asked, sep, *context.ids[start:end], sep],
            allowed=[True, *[False] * (before - 1), *[True] * (end - start), False],
            start=inside[0] - start + before if whole else 0,
            end=inside[-1] - start + before if whole else 0,
        )


def class_row(
    example: Labelled, tokenizer: Tokenizer, labels: Sequence[str], settings: Train
) -> ClassRow:
    """Of a pair the longer text is cut first, and both by turns once they are equally long."""
    texts = [tokenizer.encode(text, add_special_tokens=False).ids for text in example.texts]
    shorter, longer = sorted(texts, key=len)[0], sorted(texts, key=len)[-1]
    while sum(map(len, texts)) > settings.max_length - 1 - len(texts):
        (longer if len(longer) > len(shorter) else shorter).pop()
    cls, sep = special(tokenizer)
    ids = [cls, *(piece for text in texts for piece in (*text, sep))]
    return ClassRow(ids, labels.index(example.label))


def windows_of(pieces: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Ranges of at most `room` pieces; neighbours share `stride`, and no more than half of them."""
    windows = [(0, min(room, pieces))]
    while windows[-1][1] < pieces:
        start = windows[-1][0] + room - min(stride, room // 2)
        windows.append((start, min(start + room, pieces)))
    return windows


def special(tokenizer: Tokenizer) -> tuple[int, int]:
    return id_of(tokenizer, "[CLS]"), id_of(tokenizer, "[SEP]")


def id_of(tokenizer: Tokenizer, piece: str) -> int:
    number = tokenizer.token_to_id(piece)
    assert number is not None
    return number


def loss_of(model: Any, rows: Sequence[Any], pad: int) -> Tensor:
    """The cross entropy of a batch: of its words, its windows' spans or its texts."""
    ids_BN = padded([row.ids for row in rows], pad)
    mask_BN = padded([[1] * len(row.ids) for row in rows], 0)
    inputs = {"input_ids": ids_BN, "attention_mask": mask_BN}
    loss: Tensor
    match rows[0]:
        case TagRow():
            loss = model(**inputs, labels=padded([row.labels for row in rows], IGNORED)).loss
        case ClassRow():
            loss = model(**inputs, labels=torch.tensor([row.label for row in rows])).loss
        case _:
            allowed_BN = padded([row.allowed for row in rows], False).bool()
            answer = model(**inputs)
            start, end = (
                nn.functional.cross_entropy(
                    logits_BN.masked_fill(~allowed_BN, -torch.inf), torch.tensor(right)
                )
                for logits_BN, right in (
                    (answer.start_logits, [row.start for row in rows]),
                    (answer.end_logits, [row.end for row in rows]),
                )
            )
            loss = (start + end) / 2
    return loss


def padded(parts: Sequence[Sequence[int]], value: int) -> Tensor:
    longest = max(map(len, parts))
    return torch.tensor([[*part, *[value] * (longest - len(part))] for part in parts])
