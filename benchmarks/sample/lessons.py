"""Passages to pre-train on, each with notes that say again what stands in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from benchmarks.sample.passages import Stated, brief_passage, passage
from benchmarks.sample.questions import asked, held_out
from benchmarks.sample.splits import SEED
from benchmarks.sample.wording import Span, numbered, write

RESTATED = 0.4
"""How often a note states its fact in new words; else it is a question with its answer."""


@dataclass(frozen=True, slots=True)
class Note:
    """A fact of a passage in other words: its value in the note, and in the passage."""

    text: str
    value: Span
    source: Span


@dataclass(frozen=True, slots=True)
class Lesson:
    """A passage, and a note for each fact in it, in any order."""

    context: str
    notes: tuple[Note, ...]


def lessons(seed: int, *, brief: bool = False) -> Iterator[Lesson]:
    """Endless passages with notes; none has a sentence or a question of a dev or test split.

    Args:
        seed: which passages.
        brief: whether they are of few sentences only.
    """
    random = Random(f"{SEED} lessons {seed} {brief}")
    held = held_out()
    while True:
        told = brief_passage(random) if brief else passage(random)
        if not held.intersection(told.sentences):
            stated = random.sample(told.stated, len(told.stated))
            notes = (_note(random, one) for one in stated)
            yield Lesson(told.text, tuple(note for note in notes if held.isdisjoint(_says(note))))


def _says(note: Note) -> tuple[str, str]:
    """Its text, and the question that it begins with if it is one with its answer."""
    return note.text, note.text[: note.value.start].rstrip()


def _note(random: Random, stated: Stated) -> Note:
    if random.random() < RESTATED:
        return _restated(random, stated)
    question, inverse = asked(random, stated)
    source = stated.subject if inverse and stated.subject else stated.value
    value = Span(len(question) + 1, len(question) + 1 + source.end - source.start)
    name = stated.fact.subject.name if inverse else stated.fact.value
    return Note(f"{question} {name.text}", value, source)


def _restated(random: Random, stated: Stated) -> Note:
    relation = stated.fact.relation
    shapes = [f"{{s}} {predicate}" for predicate in relation.predicates]
    shape = numbered(f"{random.choice((*shapes, *relation.clauses))}.", subject=0, value=0)
    wording = write(shape, {"s0": stated.fact.subject.name, "v0": stated.fact.value})
    return Note(wording.text, wording.spans["v0"], stated.value)
