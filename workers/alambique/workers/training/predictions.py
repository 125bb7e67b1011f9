"""From the logits of rows to what a task predicts for their examples."""

from collections.abc import Sequence
from typing import Any

from alambique.tasks.examples import Example
from alambique.tasks.task import Task
from alambique.workers.training.logits import WindowLogits
from alambique.workers.training.target_windows import TargetWindow


def decode_predictions(
    task: Task[Any, Any],
    examples: Sequence[Example],
    rows: Sequence[TargetWindow],
    found: Sequence[WindowLogits],
    labels: tuple[str, ...],
) -> dict[int, Any]:
    """The prediction for each example that has rows here, by the example's number."""
    windows: dict[int, list[int]] = {}
    for i, row in enumerate(rows):
        windows.setdefault(row.example, []).append(i)
    return {
        number: task.predict(
            examples[number], [rows[i].window for i in chosen], [found[i] for i in chosen], labels
        )
        for number, chosen in windows.items()
    }
