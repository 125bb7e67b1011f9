"""Running text of the grammar, and rows of it to pre-train on."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from benchmarks.sample.entities import headlines
from benchmarks.sample.lessons import Lesson, lessons
from benchmarks.sample.splits import SEED
from benchmarks.sample.wording import Span

NEWS = 0.1
"""Share of rows that are a sentence of the news."""


@dataclass(frozen=True, slots=True)
class Row:
    """Two segments of text, and the spans of the first that say the same as spans of the second."""

    first: str
    second: str | None = None
    twins: tuple[tuple[Span, Span], ...] = ()


def corpus(seed: int = 0) -> Iterator[str]:
    """Endless texts to learn a language from; none holds a sentence of a dev or test split.

    Args:
        seed: which texts. Those of another seed are others.

    Yields:
        By turns a passage, the notes about it, and a sentence of the news.
    """
    for lesson, news in zip(lessons(seed), headlines(seed), strict=True):
        yield lesson.context
        yield " ".join(note.text for note in lesson.notes)
        yield news


def rows(seed: int, *, brief: bool = False) -> Iterator[Row]:
    """The same kind of text in endless rows: some notes and their passage, or one of the news.

    Args:
        seed: which texts.
        brief: whether the passages are of few sentences, with one or two notes instead of up to
            four.
    """
    random = Random(f"{SEED} rows {seed} {brief}")
    news = headlines(seed)
    for lesson in lessons(seed, brief=brief):
        if random.random() < NEWS:
            yield Row(next(news))
        else:
            yield row_of(lesson, random.randint(1, 2 if brief else 4))


def row_of(lesson: Lesson, notes: int) -> Row:
    """The first few notes about a passage, and the passage."""
    first, twins = "", []
    for note in lesson.notes[:notes]:
        twins.append((note.value.moved(len(first)), note.source))
        first += f"{note.text} "
    return Row(first.rstrip(), lesson.context, tuple(twins))
