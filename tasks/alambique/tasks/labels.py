"""Whether a model's labels are those of the data."""

from collections.abc import Sequence
from dataclasses import dataclass

from alambique.spec.errors import LabelMismatch


@dataclass(frozen=True, slots=True)
class Same:
    """Names and order are equal."""


@dataclass(frozen=True, slots=True)
class Permuted:
    """The same names in another order: output `columns[n]` of the model is label n of the data."""

    columns: tuple[int, ...]


def compare(data_labels: Sequence[str], model_labels: Sequence[str]) -> Same | Permuted:
    """How to read a model's outputs as labels of the data.

    >>> compare(["O", "B-PER"], ["B-PER", "O"])
    Permuted(columns=(1, 0))

    Raises:
        LabelMismatch: the names differ; the message holds both lists.
    """
    ours, theirs = list(data_labels), list(model_labels)
    if ours == theirs:
        return Same()
    if len(set(theirs)) < len(theirs) or set(ours) != set(theirs):
        raise LabelMismatch(
            f"the data has labels {ours}, the model {theirs}: name the model's labels in its "
            "config.json (id2label) as the data does, or fine-tune it on this data (teacher.train)"
        )
    return Permuted(tuple(theirs.index(label) for label in ours))
