"""Windows of examples, as networks are fed them, each with its gold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from alambique.distill.objective import LossNormalizers
from alambique.runtime.windows import Window
from alambique.tasks.examples import Example
from alambique.tasks.task import Gold, Task


@dataclass(frozen=True, slots=True)
class ExampleWindow:
    """A window of an example, with its gold: what is right there."""

    example: int
    """The number of its example."""
    window: Window
    gold: Gold
    weight: float
    """How much the window counts in a mean; see `OutputKind.weight`."""
    labelled: bool = True
    """Whether the gold is known; where not, `gold` holds the compared places and any labels."""

    @property
    def length(self) -> int:
        """How many tokens the window has."""
        return len(self.window.input_ids_N)


@dataclass(frozen=True)
class EvaluationSet:
    """Examples that nothing is learnt from, with all their windows."""

    task: Task[Any, Any]
    labels: tuple[str, ...]
    examples: Sequence[Example]
    windows: Sequence[ExampleWindow]


def loss_normalizers(windows: Sequence[ExampleWindow]) -> LossNormalizers:
    """Return what the sums of terms over all of `windows` are divided by."""
    lengths = [each.length for each in windows]
    return LossNormalizers(
        rows=sum(each.weight for each in windows),
        labelled=sum(each.weight for each in windows if each.labelled),
        windows=float(len(windows)),
        tokens=float(sum(lengths)),
        pairs=float(sum(length * length for length in lengths)),
    )


@dataclass(frozen=True, slots=True)
class LostWord:
    """A word that no piece stands for: a tokenizer may drop one whole, such as a soft hyphen."""

    example: int
    word: int


def lost_words(
    task: Task[Any, Any], examples: Sequence[Example], windows: Sequence[ExampleWindow]
) -> Iterator[LostWord]:
    """Yield the words of `examples` without a piece in any of their windows."""
    # a word with a piece is best in one window
    best = {(each.example, int(word)) for each in windows for word in each.window.best_words_K}
    for number, example in enumerate(examples):
        for word in range(task.word_count(example)):
            if (number, word) not in best:
                yield LostWord(number, word)
