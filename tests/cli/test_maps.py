"""What the program prints of layer maps."""

from typing import Any

import pytest
from tests.job_results import result_row

from alambique.cli.job_reports import learnt_layers
from alambique.registry.job_result import ResultRow


def row(name: str, **more: Any) -> ResultRow:
    return ResultRow.model_validate(result_row(name, **more))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"pairs": [[0, 1], [1, 3]]}, "0 from 1, 1 from 3"),
        (
            {"pairs": [[0, 1], [1, 3]], "likeness": [0.9712, 0.5]},
            "0 from 1 (0.97 alike), 1 from 3 (0.50 alike)",
        ),
        (
            {"weights": [[0.1, 0.62, 0.28], [0.04, 0.0, 0.96]]},
            "0 from 1 (62 %) and 2 (28 %), 1 from 2 (96 %) and 0 (4 %)",
        ),
    ],
)
def test_each_layer_is_told(found: dict[str, Any], said: str) -> None:
    student = row("distilled", maps={"hidden": found})
    assert list(learnt_layers(student)) == [f"distilled, hidden: {said}"]


def test_of_a_search_the_trial_is_told() -> None:
    student = row("distilled", trial=7, maps={"hidden": {"pairs": [[0, 1]]}})
    assert list(learnt_layers(student)) == ["distilled, trial 7, hidden: 0 from 1"]


def test_outputs_have_no_map() -> None:
    assert list(learnt_layers(row("gold-only"))) == []
