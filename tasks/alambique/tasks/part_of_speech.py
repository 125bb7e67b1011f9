"""Part of speech: a universal tag (UPOS) for each word of a sentence."""

import warnings
from collections.abc import Sequence
from functools import partial
from itertools import chain

from alambique.spec.outputs import Output
from alambique.tasks import tagging
from alambique.tasks.examples import Sentence
from alambique.tasks.formats import conllu
from alambique.tasks.tagging import Tags
from alambique.tasks.task import Task

OTHER = "X"
"""The universal tag of what has no other; a missing prediction counts as it."""


def labels(examples: Sequence[Sentence]) -> tuple[str, ...]:
    """Return the tags that occur, in alphabetical order."""
    return tuple(sorted({tag for example in examples for tag in example.tags}))


def score(examples: Sequence[Sentence], predictions: Sequence[Tags | None]) -> dict[str, float]:
    """Return the accuracy of the words' tags, their macro and micro F1, and seqeval's F1.

    The last is what published tables call F1: seqeval reads a tag's first letter as the place in a
    chunk, so that it cannot tell SCONJ from CCONJ. It is here to be compared with them, under the
    name seqeval-f1.
    """
    # not on top: it takes longer to import than most commands to run
    from sklearn.metrics import f1_score

    golds = [list(example.tags) for example in examples]
    predicted = [
        [OTHER] * len(example.words) if tags is None else list(tags)
        for example, tags in zip(examples, predictions, strict=True)
    ]
    ours, theirs = [list(chain.from_iterable(tags)) for tags in (golds, predicted)]
    return {
        "accuracy": sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours),
        "macro-f1": float(f1_score(ours, theirs, average="macro", zero_division=0)),
        "micro-f1": float(f1_score(ours, theirs, average="micro", zero_division=0)),
        "seqeval-f1": _seqeval_f1(golds, predicted),
    }


def _seqeval_f1(golds: list[list[str]], predicted: list[list[str]]) -> float:
    from seqeval.metrics import f1_score

    with warnings.catch_warnings():  # that no tag looks like one of an entity is what it is for
        warnings.filterwarnings("ignore", message=".* seems not to be NE tag")
        return float(f1_score(golds, predicted, zero_division=0))


NAME = "part-of-speech"
READERS_FOR = tagging.readers_for(
    NAME, {".conllu": partial(conllu.read, words=conllu.Words.SYNTACTIC)}, tags="upos"
)

TASK: Task[Sentence, Tags] = Task(
    name=NAME,
    output=Output.TAGS,
    inputs=("sentence",),
    primary="accuracy",
    scores=("accuracy", "macro-f1", "micro-f1", "seqeval-f1"),
    # what published Spanish tables have
    shown=("seqeval-f1",),
    readers=READERS_FOR({}, ()),
    readers_for=READERS_FOR,
    texts=tagging.texts,
    windows=tagging.windows,
    word_count=tagging.word_count,
    labels=labels,
    gold=tagging.gold,
    predict=partial(tagging.predict, missing=OTHER),
    score=score,
    fractions=partial(tagging.fractions, missing=OTHER),
    right=partial(tagging.right, missing=OTHER),
    confidence=tagging.confidence,
    baselines=(tagging.MOST_FREQUENT_TAG,),
    settings=lambda _: {"tags": "first piece of each word"},
    of_text=tagging.of_text,
)
