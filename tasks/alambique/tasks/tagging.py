"""What the tasks that give each word of a sentence a tag have in common."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import eq

import numpy as np
from numpy.typing import NDArray

from alambique.distill.alignment import FloatArray, first_pieces
from alambique.runtime.tags import tag_probabilities, word_tags
from alambique.runtime.windows import Encoder, Window
from alambique.runtime.words import words_of
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Sentence
from alambique.tasks.formats.columns import names_in_file
from alambique.tasks.formats.parquet import TokenColumns, read_sentences
from alambique.tasks.task import Baseline, Reader, ReadersFor, TagGold

Tags = tuple[str, ...]


def of_text(name: str, text: str) -> Sentence:
    """Return a sentence without tags, its words as `runtime.model.Model.tag` has them."""
    return Sentence(name, tuple(text[start:end] for start, end in words_of(text)), ())


def readers_for(
    task: str, files: Mapping[str, Reader[Sentence]], *, tags: str
) -> ReadersFor[Sentence]:
    """Return a function from names of columns and tags to the readers of such a task.

    Args:
        task: its name.
        files: what reads its other files, by how their names end.
        tags: what the column of tags is called where nothing else is said.
    """

    def readers(called: Mapping[str, str], labels: Sequence[str]) -> Mapping[str, Reader[Sentence]]:
        columns = names_in_file({"words": "tokens", "tags": tags}, called, task)
        tokens = TokenColumns(columns["words"], columns["tags"], names=labels or None)
        return {**files, ".parquet": partial(read_sentences, tokens=tokens)}

    return readers


def texts(example: Sentence) -> tuple[str, ...]:
    """Return what a model sees of a sentence: its words, however they were spaced."""
    return example.words


def windows(example: Sentence, encoder: Encoder) -> tuple[Window, ...]:
    """Return the windows of a sentence, given as words."""
    return encoder.words(example.words)


def word_count(example: Sentence) -> int:
    """Return how many words a sentence has."""
    return len(example.words)


def gold(example: Sentence, window: Window, labels: Sequence[str]) -> TagGold:
    """Return the label of each word that has most context in this window, at its first piece."""
    words_P, positions_P = first_pieces(window)
    number = {label: n for n, label in enumerate(labels)}
    labels_P = np.array([number[example.tags[word]] for word in words_P], np.int32)
    return TagGold(words_P, positions_P, labels_P)


def fractions(
    examples: Sequence[Sentence], predictions: Sequence[Tags | None], *, missing: str
) -> Floats:
    """Return the hits among the words of each sentence, and the words: what accuracy is made of."""
    pairs = _tag_pairs(examples, predictions, missing)
    return np.array(
        [[sum(map(eq, gold, predicted)), len(gold)] for gold, predicted in pairs], float
    )


def right(
    examples: Sequence[Sentence], predictions: Sequence[Tags | None], *, missing: str
) -> NDArray[np.bool_]:
    """Return whether each word's tag is the gold one."""
    pairs = _tag_pairs(examples, predictions, missing)
    return np.array(
        [hit for gold, predicted in pairs for hit in map(eq, gold, predicted)], np.bool_
    )


def _tag_pairs(
    examples: Sequence[Sentence], predictions: Sequence[Tags | None], missing: str
) -> list[tuple[Tags, Tags]]:
    """Return gold and predicted tags of each sentence."""
    return [
        (example.tags, predicted or (missing,) * len(example.words))
        for example, predicted in zip(examples, predictions, strict=True)
    ]


def confidence(
    _: Tags, example: Sentence, windows: Sequence[Window], logits: Sequence[FloatArray]
) -> FloatArray:
    """Return the probability of each word's tag; 0 of a word that no piece stands for."""
    return tag_probabilities(windows, logits, len(example.words))


def predict(
    example: Sentence,
    windows: Sequence[Window],
    logits: Sequence[FloatArray],
    labels: Sequence[str],
    *,
    missing: str,
) -> Tags:
    """Return the likeliest tag of each word; `missing` of one that no piece stands for."""
    return word_tags(windows, logits, labels, len(example.words), missing=missing)


def most_frequent_tags(training: Sequence[Sentence], examples: Sequence[Sentence]) -> list[Tags]:
    """Return the tag that each word has most often in the training examples.

    A word that is not there has the tag of the same word in lower case, else the most frequent tag
    of the words that are there once: what is rare there is most like what is not there at all.
    """
    as_written, in_lower_case = _tag_counts(training, str), _tag_counts(training, str.lower)
    rare = Counter(
        tag for counts in as_written.values() if counts.total() == 1 for tag in counts
    ) or Counter(tag for example in training for tag in example.tags)
    unknown = _commonest(rare)
    lower = {word: _commonest(counts) for word, counts in in_lower_case.items()}
    known = {word: _commonest(counts) for word, counts in as_written.items()}
    return [
        tuple(known.get(word) or lower.get(word.lower(), unknown) for word in example.words)
        for example in examples
    ]


MOST_FREQUENT_TAG: Baseline[Sentence, Tags] = Baseline(
    "the most frequent tag of each word", most_frequent_tags
)


def _tag_counts(
    training: Sequence[Sentence], written: Callable[[str], str]
) -> Mapping[str, Counter[str]]:
    """Return how often each word has each tag, words being changed by `written`."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for example in training:
        for word, tag in zip(example.words, example.tags, strict=True):
            counts[written(word)][tag] += 1
    return counts


def _commonest(counts: Counter[str]) -> str:
    """Return the tag with the highest count, of equal ones the first in alphabetical order."""
    return min(counts, key=lambda tag: (-counts[tag], tag))
