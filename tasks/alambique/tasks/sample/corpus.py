"""Running text of the grammar: passages, their questions, and news sentences."""

from collections.abc import Iterator
from random import Random

from alambique.tasks.sample.entities import held_out, sentence
from alambique.tasks.sample.lessons import lessons
from alambique.tasks.sample.splits import SEED


def corpus(seed: int = 0) -> Iterator[str]:
    """Endless texts to learn a language from; none holds a sentence of a dev or test split.

    Args:
        seed: which texts. Those of another seed are others.

    Yields:
        By turns a passage, the questions about it with their answers, and a sentence of the news.
    """
    for lesson, news in zip(lessons(seed), headlines(seed), strict=True):
        yield lesson.context
        yield " ".join(note.text for note in lesson.notes)
        yield news


def headlines(seed: int) -> Iterator[str]:
    """Endless sentences of the news, words and punctuation apart, none of dev or test."""
    random = Random(f"{SEED} headlines {seed}")
    held = held_out()
    while True:
        if (made := sentence(random, "headline")).words not in held:
            yield " ".join(made.words)
