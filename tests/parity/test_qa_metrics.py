"""Both metrics of question answering against the golden items."""

from typing import Any

import pytest
from tests.parity.golden_files import read_json

from alambique.runtime.spans import Span
from alambique.tasks.examples import Answer, Question
from alambique.tasks.question_answering import exact_match, f1, mlqa_es, score, squad_en


@pytest.fixture(scope="module")
def golden() -> Any:
    return read_json("qa_metrics.json")


@pytest.mark.parametrize("normalise", [mlqa_es, squad_en])
def test_each_item_scores_as_in_the_published_metric(golden: Any, normalise: Any) -> None:
    for item in golden["items"]:
        expected = item[normalise.__name__]
        assert normalise(item["prediction"]) == expected["normalized_prediction"], item["id"]
        for name, metric in (("em", exact_match), ("f1", f1)):
            ours = metric(item["prediction"], item["golds"], normalise)
            assert ours == pytest.approx(expected[name], abs=1e-9), item["id"]


@pytest.mark.parametrize("which", ["all", "with_unanswered"])
def test_scores_over_all_items(golden: Any, which: str) -> None:
    expected = golden["aggregate_percent"][which]
    unanswered = expected.get("unanswered_ids", [])
    examples = [
        Question(item["id"], "", "", tuple(Answer(gold, 0) for gold in item["golds"]))
        for item in golden["items"]
    ]
    spans = [
        None if item["id"] in unanswered else Span(item["prediction"], 0, 0, 0.0, 1.0, 9.0)
        for item in golden["items"]
    ]
    found = score(examples, spans)
    for rule, prefix in (("mlqa_es", ""), ("squad_en", "squad-")):
        for key, name in (("f1", "f1"), ("exact_match", "em")):
            assert found[prefix + name] * 100 == pytest.approx(expected[rule][key], abs=1e-9)
