"""What tasks say of their scores is what their scores are."""

from typing import Any

import pytest

from alambique.spec.data import Data
from alambique.tasks.all import ALL
from alambique.tasks.data import load
from alambique.tasks.task import Task

SAMPLES = {
    "question-answering": "sample-questions",
    "named-entities": "sample-entities",
    "part-of-speech": "sample-speech",
    "inference": "sample-inferences",
    "paraphrase": "sample-paraphrases",
    "document-classification": "sample-documents",
    "similarity": "sample-similarities",
}


@pytest.mark.parametrize("task", [one for one in ALL if one.name in SAMPLES], ids=lambda t: t.name)
def test_a_task_names_all_of_its_scores(task: Task[Any, Any]) -> None:
    data = Data(name=SAMPLES[task.name], limit={"train": 4, "dev": 4, "test": 4})
    examples = load(data, task=task, root=None).test
    assert tuple(task.score(examples, [None] * len(examples))) == task.scores


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_what_tables_show_is_among_them_and_the_primary_one_is_no_second_time(
    task: Task[Any, Any],
) -> None:
    assert task.primary in task.scores
    assert set(task.shown) <= set(task.scores) - {task.primary}
