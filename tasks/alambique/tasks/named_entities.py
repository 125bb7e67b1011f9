"""Named entities: a BIO tag for each word of a sentence."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from alambique.runtime.tags import OUTSIDE
from alambique.spec.outputs import Output
from alambique.tasks import tagging
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Sentence
from alambique.tasks.formats import conll
from alambique.tasks.tagging import Tags
from alambique.tasks.task import Task


def labels(examples: Sequence[Sentence]) -> tuple[str, ...]:
    """Return O, then B- and I- of each type that occurs, types in alphabetical order."""
    tags = {tag for example in examples for tag in example.tags}
    types = sorted({tag[2:] for tag in tags if tag != OUTSIDE})
    return OUTSIDE, *(f"{place}-{kind}" for kind in types for place in "BI")


def score(examples: Sequence[Sentence], predictions: Sequence[Tags | None]) -> dict[str, float]:
    """Return seqeval's micro averages over entities, by conlleval's rule and by strict IOB2.

    By the first an I- where no entity of its type stands begins one, by the second it does not.
    A missing prediction counts as O throughout. Accuracy is that of the tags.
    """
    # not on top: seqeval imports scikit-learn, which takes longer than most commands
    from seqeval.metrics import accuracy_score, f1_score
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support
    from seqeval.scheme import IOB2

    golds = [list(example.tags) for example in examples]
    predicted = [
        [OUTSIDE] * len(example.words) if tags is None else list(tags)
        for example, tags in zip(examples, predictions, strict=True)
    ]
    precision, recall, f1, _ = precision_recall_fscore_support(
        golds, predicted, average="micro", zero_division=0
    )
    return {
        "f1": float(f1),
        "precision": float(precision),
        "recall": float(recall),
        "strict-f1": float(f1_score(golds, predicted, mode="strict", scheme=IOB2, zero_division=0)),
        "accuracy": float(accuracy_score(golds, predicted)),
    }


def fractions(examples: Sequence[Sentence], predictions: Sequence[Tags | None]) -> Floats:
    """Return twice the entities found, and all gold and predicted ones, of each sentence.

    F1 is the ratio of their sums: 2·tp over 2·tp + fp + fn, by conlleval's rule as in `score`.
    """
    # not on top: seqeval imports scikit-learn, which takes longer than most commands
    from seqeval.metrics.sequence_labeling import get_entities

    sums = np.zeros((len(examples), 2))
    for row_2, example, tags in zip(sums, examples, predictions, strict=True):
        ours = set(get_entities(list(example.tags)))
        theirs = set(get_entities(list(tags))) if tags else set()
        row_2[:] = 2 * len(ours & theirs), len(ours) + len(theirs)
    return sums


NAME = "named-entities"
READERS_FOR = tagging.readers_for(NAME, {".conll": conll.read}, tags="ner_tags")

TASK: Task[Sentence, Tags] = Task(
    name=NAME,
    output=Output.TAGS,
    inputs=("sentence",),
    primary="f1",
    scores=("f1", "precision", "recall", "strict-f1", "accuracy"),
    readers=READERS_FOR({}, ()),
    readers_for=READERS_FOR,
    texts=tagging.texts,
    windows=tagging.windows,
    word_count=tagging.word_count,
    labels=labels,
    gold=tagging.gold,
    predict=partial(tagging.predict, missing=OUTSIDE),
    score=score,
    fractions=fractions,
    right=partial(tagging.right, missing=OUTSIDE),
    confidence=tagging.confidence,
    baselines=(tagging.MOST_FREQUENT_TAG,),
    settings=lambda _: {
        "tags": "first piece of each word",
        "entities": "seqeval default; strict IOB2",
    },
    of_text=tagging.of_text,
)
