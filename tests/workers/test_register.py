"""What the reader of a job's table should not miss, and where its networks come from."""

import pytest

from alambique.workers.records import Score
from alambique.workers.stages.register import notes


def scores(**f1: float) -> list[Score]:
    """A table with these scores; underscores stand for hyphens."""
    return [
        Score(
            name=name.replace("_", "-"),
            layers=1,
            parameters=1,
            macs_linear=1,
            macs_full=1,
            metrics={"f1": value, "accuracy": 1 - value},
            latency_ms=1.0,
            latency_kept=100,
            inferences_per_second=1.0,
        )
        for name, value in f1.items()
    ]


def test_nothing_where_distilling_helped() -> None:
    assert notes(scores(teacher=0.9, gold_only=0.5, distilled=0.6), "f1") == []


def test_nothing_where_nothing_stands_beside_it() -> None:
    assert notes(scores(teacher=0.9, distilled=0.1), "f1") == []


@pytest.mark.parametrize("gold", [0.5, 0.75])
def test_it_is_said_where_distilling_did_not_help(gold: float) -> None:
    (note,) = notes(scores(teacher=0.9, gold_only=gold, distilled=0.5), "f1")
    assert note == (
        f"distilling did not help here: f1 0.5000 against {gold:.4f} on gold labels alone"
    )


def test_the_primary_metric_decides() -> None:
    assert notes(scores(gold_only=0.5, distilled=0.6), "accuracy")
