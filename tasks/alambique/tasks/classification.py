"""The tasks that give a text, or a pair of texts, one class: inference, paraphrase, topics."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from alambique.distill.alignment import FloatArray
from alambique.runtime.softmax import softmax
from alambique.runtime.windows import Encoder, Window
from alambique.spec.outputs import Output
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Labelled
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import Columns, renamed
from alambique.tasks.linear import BASELINES
from alambique.tasks.task import ClassGold, Reader, Task


def classification(name: str, columns: Columns) -> Task[Labelled, str]:
    """Return a task of that kind, whose examples are rows of tables with these columns."""
    return Task(
        name=name,
        output=Output.CLASSES,
        inputs=columns.texts,
        primary="accuracy",
        scores=("accuracy", "macro-f1"),
        readers=readers_of(columns),
        readers_for=partial(readers_for, columns=columns, task=name),
        texts=texts,
        windows=windows,
        word_count=lambda _: 1,
        labels=labels,
        gold=gold,
        predict=predict,
        score=score,
        fractions=fractions,
        right=right,
        confidence=confidence,
        baselines=BASELINES,
        settings=lambda _: {"class": "likeliest", "window": "one, the longer text cut first"},
        of_text=of_text if len(columns.texts) == 1 else None,
    )


def readers_of(columns: Columns) -> Mapping[str, Reader[Labelled]]:
    """Return the readers of tables with these columns, by suffix."""
    return {suffix: partial(tables.read, columns=columns) for suffix in tables.Format}


def readers_for(
    called: Mapping[str, str], labels: Sequence[str], *, columns: Columns, task: str
) -> Mapping[str, Reader[Labelled]]:
    """Return the readers of tables with these names for columns, and labels or their numbers.

    Raises:
        BadSpec: the task has no such column.
    """
    found = renamed(columns, called, task)
    if labels:  # where the labels are somebody else's, the task's names for them say nothing
        found = replace(found, names=None, numbered=tuple(labels))
    return readers_of(found)


def of_text(name: str, text: str) -> Labelled:
    """Return an example of a text whose class nobody knows."""
    return Labelled(name, (text,), "")


def texts(example: Labelled) -> tuple[str, ...]:
    """Return what a model sees of an example."""
    return example.texts


def windows(example: Labelled, encoder: Encoder) -> tuple[Window, ...]:
    """Return the one window of the example; what it has no room for is cut."""
    return (encoder.texts(*example.texts),)


def labels(examples: Sequence[Labelled]) -> tuple[str, ...]:
    """Return the classes that occur, in alphabetical order."""
    return tuple(sorted({example.label for example in examples}))


def gold(example: Labelled, window: Window, labels: Sequence[str]) -> ClassGold:
    """Return the number of the example's label."""
    return ClassGold(labels.index(example.label))


def predict(
    example: Labelled,
    windows: Sequence[Window],
    logits: Sequence[FloatArray],
    labels: Sequence[str],
) -> str:
    """Return the likeliest class."""
    return labels[int(logits[0][0].argmax())]


def score(examples: Sequence[Labelled], predictions: Sequence[str | None]) -> dict[str, float]:
    """Return accuracy, and the mean F1 of the classes among gold labels or predictions.

    A missing prediction is a wrong one.
    """
    # not on top: scikit-learn takes longer to import than most commands to run
    from sklearn.metrics import f1_score

    golds = [example.label for example in examples]
    found = [prediction or "" for prediction in predictions]
    pairs = zip(golds, found, strict=True)
    classes = sorted({*golds, *found} - {""})
    return {
        "accuracy": sum(ours == theirs for ours, theirs in pairs) / len(golds),
        "macro-f1": float(f1_score(golds, found, labels=classes, average="macro", zero_division=0)),
    }


def right(examples: Sequence[Labelled], predictions: Sequence[str | None]) -> NDArray[np.bool_]:
    """Return whether each text is given its class."""
    pairs = zip(examples, predictions, strict=True)
    return np.array([example.label == found for example, found in pairs], np.bool_)


def fractions(examples: Sequence[Labelled], predictions: Sequence[str | None]) -> Floats:
    """Return a hit (1) or a miss (0) of each text, out of 1: accuracy is the ratio of the sums."""
    hits = right(examples, predictions).astype(np.float64)
    return np.stack([hits, np.ones_like(hits)], axis=1)


def confidence(
    _: str, __: Labelled, windows: Sequence[Window], logits: Sequence[FloatArray]
) -> FloatArray:
    """Return the probability of the likeliest class."""
    likeliest: FloatArray = softmax(logits[0][:1]).max(1).astype(np.float32)
    return likeliest


INFERENCE = classification("inference", Columns(texts=("premise", "hypothesis"), label="label"))
"""Whether a premise entails a hypothesis, contradicts it, or leaves it open."""

PARAPHRASE = classification("paraphrase", Columns(texts=("sentence1", "sentence2"), label="label"))
"""Whether two sentences say the same."""

DOCUMENT_CLASSIFICATION = classification(
    "document-classification", Columns(texts=("text",), label="label")
)
"""The topic of a text."""
