"""What a task is: from its examples to windows, gold, predictions and scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from alambique.distill.alignment import FloatArray, IntArray
from alambique.runtime.windows import Encoder, Window
from alambique.spec.outputs import Output
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Example
from alambique.tasks.formats.columns import Rows

E = TypeVar("E", bound=Example)
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class SpanGold:
    """The pieces of a window that the answer starts and ends with; both null: it is not there."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class TagGold:
    """The words of an example that are tagged in one window."""

    words_P: IntArray
    """By their numbers in the example."""
    positions_P: IntArray
    """The first piece of each in the window."""
    labels_P: IntArray
    """By number."""


@dataclass(frozen=True, slots=True)
class ClassGold:
    """The number of the label of a whole text."""

    label: int


@dataclass(frozen=True, slots=True)
class ScoreGold:
    """The score of a whole text."""

    score: float


@dataclass(frozen=True, slots=True)
class NoGold:
    """The gold of running text, of which nothing is right or wrong."""


Gold = SpanGold | TagGold | ClassGold | ScoreGold | NoGold


Predict = Callable[[E, Sequence[Window], Sequence[FloatArray], Sequence[str]], P]
"""From an example, its windows, their logits (N, C) and the labels to what is predicted for it."""


class Reader(Protocol[E]):
    """The examples of a data file; BadData where it is broken."""

    def __call__(self, path: Path, /, *, labels: bool = ...) -> list[E] | Rows:
        """Read a file; without `labels`, labels are not looked at and need not be there."""


Confidence = Callable[[P, E, Sequence[Window], Sequence[FloatArray]], FloatArray]
"""From a prediction, its example, the windows and their logits (N, C) to the probability of each of
its answers, in the order of `Task.right`; NaN where an answer has none."""


@dataclass(frozen=True, slots=True)
class Baseline(Generic[E, P]):
    """A way to predict that costs seconds, and that a teacher has to beat."""

    name: str
    predict: Callable[[Sequence[E], Sequence[E]], Sequence[P]]
    """From training examples and others to the predictions for these; of a hundred thousand
    examples it takes seconds, by looking at a part of them where it has to."""


ReadersFor = Callable[[Mapping[str, str], Sequence[str]], Mapping[str, Reader[E]]]
"""From what tables call the columns of a task, and the labels by their number, to its readers;
BadSpec where the task has no such column."""


@dataclass(frozen=True, slots=True)
class Task(Generic[E, P]):
    """One kind of problem. E is its example, P what is predicted for one."""

    name: str
    output: Output
    inputs: tuple[str, ...]
    """What a model is given of an example, by name."""
    primary: str
    """The score by which models are compared."""
    readers: Mapping[str, Reader[E]]
    """By how the name of a file ends."""
    readers_for: ReadersFor[E]
    """Its readers, where tables have other names for its columns, or numbers for labels."""
    texts: Callable[[E], tuple[str, ...]]
    """All that a model sees of an example, and nothing of its labels."""
    windows: Callable[[E, Encoder], tuple[Window, ...]]
    word_count: Callable[[E], int]
    """How many words a teacher's record of the example has."""
    labels: Callable[[Sequence[E]], tuple[str, ...]]
    """The names of a model's outputs, in their order."""
    gold: Callable[[E, Window, Sequence[str]], Gold]
    """What is right in one window, under labels in that order."""
    predict: Predict[E, P]
    score: Callable[[Sequence[E], Sequence[P | None]], dict[str, float]]
    """Scores by name, between 0 and 1, of correlations from -1 on; None is a missing prediction."""
    fractions: Callable[[Sequence[E], Sequence[P | None]], Floats]
    """What each example adds to the two sums, (E, 2), whose ratio is the primary score."""
    right: Callable[[Sequence[E], Sequence[P | None]], NDArray[np.bool_]]
    """Whether each answer (A) is right: of a word's tag, a text's class, a question's span."""
    confidence: Confidence[P, E]
    baselines: tuple[Baseline[E, P], ...]
    """A teacher has to beat each of them; none: it may be whatever it is."""
    settings: Callable[[Sequence[E]], Mapping[str, str | int | float]]
    """How logits become predictions on data like these: to be printed beside every score."""
    scores: tuple[str, ...] = ()
    """All names that `score` gives; where empty, a suite can ask for the primary one alone."""
    shown: tuple[str, ...] = ()
    """Those that the tables of suites have beside the primary one."""
    of_text: Callable[[str, str], E] | None = None
    """From an id and a plain text to an example without labels; None: it is of several texts."""
