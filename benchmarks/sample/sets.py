"""The sample data sets by the names of their folders, each a function that makes a split."""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.sample import (
    documents,
    entities,
    inferences,
    paraphrases,
    questions,
    similarities,
    speech,
    texts,
)

from alambique.spec.data import Split
from alambique.tasks.examples import Example

SETS: Mapping[str, Callable[[Split], Sequence[Example]]] = {
    "questions": questions.questions,
    "entities": entities.sentences,
    "speech": speech.sentences,
    "inferences": inferences.pairs,
    "paraphrases": paraphrases.pairs,
    "similarities": similarities.pairs,
    "documents": documents.documents,
    "text": texts.texts,
}
