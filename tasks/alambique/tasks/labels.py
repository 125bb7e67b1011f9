"""Whether a model's labels are those of the data."""

from collections.abc import Sequence

from alambique.spec.errors import LabelMismatch
from alambique.spec.excerpts import listed


def check_labels(
    data_labels: Sequence[str], model_labels: Sequence[str], field: str = "teacher"
) -> None:
    """Nothing, where the model's labels are those of the data, in whatever order.

    Args:
        data_labels: of the data.
        model_labels: of the model.
        field: of the job, that names the teacher.

    Raises:
        LabelMismatch: the names differ; the message holds both lists, and what only one has, of
            each the beginning.
    """
    ours, theirs = set(data_labels), set(model_labels)
    if len(theirs) < len(model_labels) or ours != theirs:
        unknown = [label for label in data_labels if label not in theirs]
        unused = [label for label in model_labels if label not in ours]
        raise LabelMismatch(
            f"{field}.model: the data has labels {listed(data_labels)}, the model "
            f"{listed(model_labels)}; the model does not know {listed(unknown)}, the data does not "
            f"use {listed(unused)}: name the model's labels in its config.json (id2label) as the "
            f"data does, or fine-tune it on this data ({field}.train)"
        )
