"""What the program prints of a prediction."""

from typing import Any

import pytest

from alambique.cli.reports import show_prediction


@pytest.mark.parametrize(
    ("found", "printed"),
    [
        (
            {"words": [{"word": "En", "tag": "O"}, {"word": "Jaén", "tag": "B-LOC"}]},
            "En\tO\nJaén\tB-LOC\n",
        ),
        ({"label": "yes", "scores": {"yes": 0.75, "no": 0.25}}, "yes\t0.7500\nno\t0.2500\n"),
        ({"answer": "Jaén", "start": 9, "end": 13, "score": 0.5}, "Jaén  (0.5000)\n"),
    ],
)
def test_a_prediction(
    capsys: pytest.CaptureFixture[str], found: dict[str, Any], printed: str
) -> None:
    show_prediction(found)
    assert capsys.readouterr().out == printed
