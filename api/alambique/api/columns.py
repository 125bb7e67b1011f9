"""The scores of the columns of a suite's table."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from alambique.spec.errors import UnknownName
from alambique.spec.field_errors import BadField
from alambique.spec.spelling import hint
from alambique.spec.suite import Suite
from alambique.tasks import calibration
from alambique.tasks.all import find
from alambique.tasks.task import Task


def column_metrics(suite: Suite, name: str, primary: str) -> tuple[str, ...]:
    """Return the scores of a column, the one that counts first.

    Args:
        suite: the suite, which may name the scores.
        name: the name of the column and of its task in the suite.
        primary: the score that its jobs are compared by.
    """
    if (named := suite.metrics.get(name)) is not None:
        return named
    task = _task_of(suite, name)
    return (primary, *(task.shown if task else ()))


def bad_metrics(suite: Suite) -> Iterator[BadField]:
    """Yield a fault for each score that a suite names and its task does not have."""
    for name, metrics in suite.metrics.items():
        if (task := _task_of(suite, name)) is None:
            continue  # checking its jobs reports it
        # every task measures the calibration error besides its own scores
        known = (*(task.scores or (task.primary,)), calibration.NAME)
        for number, metric in enumerate(metrics):
            if metric not in known:
                yield BadField(
                    f"metrics.{name}.{number}",
                    repr(metric),
                    f"{task.name} has no such score: {hint(metric, known)}take one of "
                    f"{', '.join(known)}",
                )


def _task_of(suite: Suite, name: str) -> Task[Any, Any] | None:
    task_name = suite.tasks[name].get("task", suite.shared.get("task"))
    with suppress(UnknownName):
        return find(str(task_name))
    return None
