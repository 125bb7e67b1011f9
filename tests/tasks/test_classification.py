"""The tasks that give a text, or a pair of texts, one class."""

from pathlib import Path

import numpy as np
import pytest

from alambique.runtime.windows import Encoder
from alambique.tasks.classification import DOCUMENT_CLASSIFICATION, INFERENCE, PARAPHRASE
from alambique.tasks.examples import Labelled
from alambique.tasks.task import ClassGold, Task

LABELS = ("contradiction", "entailment", "neutral")
TASKS = (INFERENCE, PARAPHRASE, DOCUMENT_CLASSIFICATION)


def _pair(label: str = "neutral") -> Labelled:
    return Labelled("p", ("Ana vive en Palma.", "Ana vive lejos."), label)


def test_a_pair_is_one_window_with_both_texts(wide: Encoder) -> None:
    (window,) = INFERENCE.windows(_pair(), wide)
    assert window.type_ids_N.tolist() == sorted(window.type_ids_N.tolist())
    assert set(window.type_ids_N.tolist()) == {0, 1}
    alone = Labelled("d", ("Ana vive en Palma.",), "a")
    (single,) = DOCUMENT_CLASSIFICATION.windows(alone, wide)
    assert set(single.type_ids_N.tolist()) == {0}
    assert len(single) < len(window)


def test_a_long_text_is_still_one_window(narrow: Encoder) -> None:
    long = Labelled("d", ("palma " * 100,), "a")
    (window,) = DOCUMENT_CLASSIFICATION.windows(long, narrow)
    assert len(window) == narrow.max_length


def test_gold_and_prediction_go_by_the_order_of_the_labels(wide: Encoder) -> None:
    task, example = INFERENCE, _pair("entailment")
    windows = task.windows(example, wide)
    assert task.gold(example, windows[0], LABELS) == ClassGold(1)
    assert task.gold(example, windows[0], LABELS[::-1]) == ClassGold(1)
    logits = [np.array([[0.1, 0.2, 0.9]], np.float32)]
    assert task.predict(example, windows, logits, LABELS) == "neutral"
    assert task.predict(example, windows, logits, LABELS[::-1]) == "contradiction"


def test_labels_are_in_an_order_that_does_not_depend_on_the_data() -> None:
    examples = [_pair("neutral"), _pair("entailment"), _pair("neutral")]
    assert INFERENCE.labels(examples) == INFERENCE.labels(examples[::-1])
    assert INFERENCE.labels(examples) == ("entailment", "neutral")


def test_scores_of_right_wrong_and_missing_predictions() -> None:
    golds = [_pair(label) for label in ("neutral", "neutral", "entailment", "contradiction")]
    found = INFERENCE.score(golds, ["neutral", "entailment", "entailment", None])
    assert found["accuracy"] == 0.5
    # neutral 2/3, entailment 2/3, contradiction 0
    assert found["macro-f1"] == pytest.approx(4 / 9)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl", ".parquet"])
def test_a_folder_may_hold_any_kind_of_table(
    task: Task[Labelled, str], suffix: str, tmp_path: Path
) -> None:
    from alambique.tasks.formats import tables
    from alambique.tasks.formats.columns import Columns, Rows

    examples = [Labelled("1", tuple(f"{name} é" for name in task.inputs), "si")]
    path = tmp_path / f"train{suffix}"
    tables.write(path, Columns(texts=task.inputs, label="label"), examples)
    found = task.readers[suffix](path)
    assert isinstance(found, Rows)
    assert [(one.texts, one.label) for one in found.examples] == [(examples[0].texts, "si")]


def test_what_a_model_sees_has_no_labels() -> None:
    assert INFERENCE.texts(_pair("a")) == INFERENCE.texts(_pair("b"))
    assert INFERENCE.word_count(_pair()) == 1
