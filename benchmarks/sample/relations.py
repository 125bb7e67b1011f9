"""What a passage can say about its subjects."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from benchmarks.sample.wording import Name


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of fact, with every way of stating it and of asking for it.

    Templates of `predicates` follow a subject ("nació en {v}"), those of `appositions` stand
    between commas after it, `clauses` are whole ("en {v} nació {s}"). `questions` ask for the
    value, `inverse` for the subject. `kind` is the type of the value: relations of one kind are
    not told apart by what their answers look like.
    """

    name: str
    kind: str
    draw: Callable[[Random, Name], Name]
    predicates: tuple[str, ...]
    appositions: tuple[str, ...]
    clauses: tuple[str, ...]
    questions: tuple[str, ...]
    inverse: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody or something that facts are about: its name, and a shorter one for later."""

    name: Name
    short: Name


@dataclass(frozen=True, slots=True)
class Domain:
    """Subjects of one sort, and the relations that they have."""

    name: str
    draw: Callable[[Random], Subject]
    relations: tuple[Relation, ...]
