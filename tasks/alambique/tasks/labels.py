"""Whether a model's labels are those of the data."""

from collections.abc import Sequence

from alambique.spec.errors import LabelMismatch


def check_labels(
    data_labels: Sequence[str], model_labels: Sequence[str], field: str = "teacher"
) -> None:
    """Nothing, where the model's labels are those of the data, in whatever order.

    Args:
        data_labels: of the data.
        model_labels: of the model.
        field: of the job, that names the teacher.

    Raises:
        LabelMismatch: the names differ; the message holds both lists, and what only one has.
    """
    ours, theirs = list(data_labels), list(model_labels)
    if len(set(theirs)) < len(theirs) or set(ours) != set(theirs):
        unknown = [label for label in ours if label not in theirs]
        unused = [label for label in theirs if label not in ours]
        raise LabelMismatch(
            f"{field}.model: the data has labels {ours}, the model {theirs}; the model does not "
            f"know {unknown}, the data does not use {unused}: name the model's labels in its "
            "config.json (id2label) as the data does, or fine-tune it on this data "
            f"({field}.train)"
        )
