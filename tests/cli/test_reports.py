"""What the program prints of a prediction, and what it recommends."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from tests.job_results import job_result, result_row

from alambique.api.views import JobView
from alambique.cli.environment import local_program
from alambique.cli.job_reports import report
from alambique.cli.model_reports import (
    ComparedModel,
    made_by_lines,
    show_comparison,
    show_prediction,
)
from alambique.spec.settings import Settings
from alambique.spec.states import State


@pytest.mark.parametrize(
    ("found", "printed"),
    [
        (
            {"words": [{"word": "En", "tag": "O"}, {"word": "Jaén", "tag": "B-LOC"}]},
            "En\tO\nJaén\tB-LOC\n",
        ),
        ({"label": "yes", "scores": {"yes": 0.75, "no": 0.25}}, "yes\t0.7500\nno\t0.2500\n"),
        ({"score": 3.25}, "3.2500\n"),
        ({"answer": "Jaén", "start": 9, "end": 13, "score": 0.5}, "Jaén  (0.5000)\n"),
    ],
)
def test_a_prediction_is_printed_by_its_kind(
    capsys: pytest.CaptureFixture[str], found: dict[str, Any], printed: str
) -> None:
    show_prediction(found)
    assert capsys.readouterr().out == printed


def compared(version: str, mean_ms: float, macs: int = 100) -> ComparedModel:
    return ComparedModel(
        version=version,
        format="fp32",
        metric="f1",
        score=0.5,
        parameters=1000,
        macs=macs,
        bytes=4000,
        mean_ms=mean_ms,
        low_ms=0.9 * mean_ms,
        high_ms=1.1 * mean_ms,
        ratio=4.0 / mean_ms,
    )


@pytest.mark.parametrize(("macs", "busy"), [(100, True), (50, False)])
def test_models_of_one_shape_that_are_not_equally_quick_say_that_the_machine_was_busy(
    capsys: pytest.CaptureFixture[str], macs: int, busy: bool
) -> None:
    show_comparison([compared("tiny@1", 4.0), compared("tiny-gold-only@1", 2.0, macs)])
    out = capsys.readouterr().out
    assert "in turns" in out
    assert "threads each" in out
    assert ("the machine was busy: tiny-gold-only@1 took 2 ms" in out) == busy
    assert out.count("tiny@1") == 1 + busy


def ended(state: State, result: dict[str, Any] | None = None) -> JobView:
    """A job that is over."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    unsaid = dict.fromkeys(JobView.model_fields)
    known = {"id": UUID(int=1), "project": "default", "task": "named-entities", "spec": {}}
    times = {"created_at": at, "updated_at": at}
    counts = {"priority": 50, "attempts": 1, "tag": 1}
    return JobView.model_validate(
        unsaid | known | times | counts | {"state": state, "result": result}
    )


RESULT = job_result(result_row("distilled", version="tiny@1"))


@pytest.mark.parametrize(
    ("url", "program"),
    [("", "alambique"), ("http://far:8400", "ALAMBIQUE_URL= alambique")],
)
def test_commands_are_recommended_that_read_this_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, program: str
) -> None:
    monkeypatch.setenv("ALAMBIQUE_URL", url)
    here = local_program(Settings())
    assert here == program
    assert not report(ended(State.FAILED), program=here)
    assert f"see {program} jobs logs {UUID(int=1)}\n" in capsys.readouterr().out
    assert report(ended(State.SUCCEEDED, RESULT), program=here)
    assert f"distilled: {program} models download tiny@1\n" in capsys.readouterr().out
    assert report(ended(State.SUCCEEDED, {"rows": [{}]}), program=here)  # of another version
    assert f"{program} jobs show {UUID(int=1)} --json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("by", "warned"),
    [
        ({"training": "ab", "evaluation": "a"}, ["different code"]),
        ({"training": "a", "outputs": "b", "evaluation": "a"}, ["teacher outputs"]),
        ({"training": "ab", "outputs": "b", "evaluation": "a"}, ["different code"]),
        ({"training": "a", "outputs": "a", "evaluation": "a"}, []),
    ],
)
def test_what_is_warned_of_the_code_of_a_version(by: dict[str, str], warned: list[str]) -> None:
    """`fresh` does stages anew, and takes teacher outputs from the cache all the same."""
    stages = {
        stage: [{"code": f"0.1.0+{one}", "libraries": {}} for one in makers]
        for stage, makers in by.items()
    }
    warnings = [line for line in made_by_lines(stages) if line.startswith("warning: ")]
    assert len(warnings) == len(warned)
    assert all(part in line for part, line in zip(warned, warnings, strict=True))
