"""Scores of tags against the golden cases of seqeval and scikit-learn."""

import pytest
from tests.parity.golden_files import read_json

from alambique.tasks import part_of_speech
from alambique.tasks.examples import Sentence
from alambique.tasks.named_entities import score


def test_micro_averages_and_accuracy() -> None:
    cases = read_json("tagging_metrics.json")["ner"]
    for case in cases:
        examples = [
            Sentence(str(n), ("palabra",) * len(tags), tuple(tags))
            for n, tags in enumerate(case["gold"])
        ]
        found = score(examples, [tuple(tags) for tags in case["pred"]])
        default = case["default"]["micro_avg"]
        expected = {name: default[name] for name in ("f1", "precision", "recall")}
        expected["strict-f1"] = case["strict_iob2"]["micro_avg"]["f1"]
        expected["accuracy"] = case["token_accuracy"]
        assert found == pytest.approx(expected, abs=1e-9), case["name"]


def test_parts_of_speech() -> None:
    cases = read_json("tagging_metrics.json")["upos"]
    for case in cases:
        examples = [
            Sentence(str(n), ("palabra",) * len(tags), tuple(tags))
            for n, tags in enumerate(case["gold"])
        ]
        found = part_of_speech.score(examples, [tuple(tags) for tags in case["pred"]])
        expected = {
            "accuracy": case["accuracy"],
            "macro-f1": case["token_f1_macro"],
            "micro-f1": case["token_f1_micro"],
            "seqeval-f1": case["seqeval_raw"]["f1"],
        }
        assert found == pytest.approx(expected, abs=1e-9), case["name"]
