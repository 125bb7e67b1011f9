"""From examples to rows: one row for each window of each example, as networks are fed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np

from alambique.distill.alignment import first_pieces
from alambique.distill.objective import LossNormalizers
from alambique.runtime.windows import Encoder, Window
from alambique.spec.outputs import Output
from alambique.tasks.examples import Example
from alambique.tasks.task import ClassGold, Gold, NoGold, SpanGold, TagGold, Task


@dataclass(frozen=True, slots=True)
class TargetWindow:
    """A window of an example, with what is right there."""

    example: int
    """The number of its example."""
    window: Window
    gold: Gold
    labelled: bool = True
    """Whether that is known; where not, `gold` holds the places and any labels."""

    @property
    def weight(self) -> float:
        """How much it counts in a mean: a sentence's each word, any other window once."""
        match self.gold:
            case SpanGold():
                return 1.0
            case TagGold(labels_P=labels_P):
                return float(len(labels_P))
            case ClassGold() | NoGold():
                return 1.0

    @property
    def length(self) -> int:
        """Its tokens."""
        return len(self.window.input_ids_N)


def loss_normalizers(rows: Sequence[TargetWindow]) -> LossNormalizers:
    """What the sums of terms over all of `rows` are divided by."""
    lengths = [row.length for row in rows]
    return LossNormalizers(
        rows=sum(row.weight for row in rows),
        labelled=sum(row.weight for row in rows if row.labelled),
        windows=float(len(rows)),
        tokens=float(sum(lengths)),
        pairs=float(sum(length * length for length in lengths)),
    )


@dataclass(frozen=True, slots=True)
class LostWord:
    """A word that no piece stands for: a tokenizer may drop one whole, such as a soft hyphen."""

    example: int
    word: int


def make_windows(
    task: Task[Any, Any], examples: Sequence[Example], encoder: Encoder, labels: Sequence[str]
) -> list[TargetWindow]:
    """All rows of `examples`, an example's windows beside each other."""
    return [
        TargetWindow(number, window, task.gold(example, window, labels))
        for number, example in enumerate(examples)
        for window in task.windows(example, encoder)
    ]


def make_unlabelled_windows(
    task: Task[Any, Any], examples: Sequence[Example], encoder: Encoder, first: int = 0
) -> list[TargetWindow]:
    """All rows of examples whose labels are not read; their numbers begin at `first`."""
    return [
        TargetWindow(number, window, _unknown(task.output, window), labelled=False)
        for number, example in enumerate(examples, start=first)
        for window in task.windows(example, encoder)
    ]


def _unknown(output: Output, window: Window) -> Gold:
    """The places of a window that are compared, each with the first label there is."""
    match output:
        case Output.SPAN:
            return SpanGold(window.null, window.null)
        case Output.TAGS:
            _, positions_P = first_pieces(window)
            return TagGold(positions_P, np.zeros_like(positions_P))
        case Output.CLASSES:
            return ClassGold(0)
        case Output.STATES:
            return NoGold()
        case _:
            assert_never(output)


def lost_words(
    task: Task[Any, Any], examples: Sequence[Example], rows: Sequence[TargetWindow]
) -> Iterator[LostWord]:
    """The words of `examples` without a piece in any of their rows."""
    # a word with a piece is best in one window
    best = {(row.example, int(word)) for row in rows for word in row.window.best_words_K}
    for number, example in enumerate(examples):
        for word in range(task.word_count(example)):
            if (number, word) not in best:
                yield LostWord(number, word)
