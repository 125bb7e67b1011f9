"""Every task there is, in one list."""

from typing import Any

from alambique.spec.errors import UnknownName
from alambique.spec.spelling import hint
from alambique.tasks import (
    classification,
    general,
    named_entities,
    part_of_speech,
    question_answering,
    similarity,
)
from alambique.tasks.task import Task

ALL: tuple[Task[Any, Any], ...] = (
    question_answering.TASK,
    named_entities.TASK,
    part_of_speech.TASK,
    classification.INFERENCE,
    classification.PARAPHRASE,
    classification.DOCUMENT_CLASSIFICATION,
    similarity.TASK,
    general.TASK,
)


def find(name: str) -> Task[Any, Any]:
    """Return the task of that name: the only place where one is looked up.

    Raises:
        UnknownName: there is none.
    """
    for task in ALL:
        if task.name == name:
            return task
    names = [task.name for task in ALL]
    raise UnknownName(
        f"there is no task {name!r}: {hint(name, names)}choose one of {', '.join(names)}"
    )
