"""How the command line shows a search: its cost, its trials, and what came of it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.job_results import job_result, result_row

from alambique.registry import jobs, trials
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.reading import read_job
from alambique.spec.states import Reason, TrialState

Here = Callable[..., str]

SEARCH = (
    "data.name=sample-entities",
    "search={space: {student.layers: [1, 2], train.learning_rate: {low: 1.0e-5, high: 1.0e-3}}, "
    "trials: 4, goals: [f1 max, macs min]}",
)


def member(trial: int) -> dict[str, Any]:
    return {"trial": trial, "values": {}, "epochs": 3, "metrics": {}, "version": "tiny@1"}


RESULT = job_result(
    result_row("teacher", 0.9),
    result_row("distilled", 0.8, retention=8 / 9, trial=2),
    search={
        "goals": ["f1 max", "macs min"],
        "trials": {"finished": 2},
        "dimensions": [
            {"field": "student.layers", "importance": 0.25},
            {"field": "train.learning_rate", "importance": 0.75},
        ],
        "front": [member(1), member(2)],
        "balance": {"macs": 0.5, "latency_ms": 0.25},
        "score_per_octave": 0.03125,
    },
)


@pytest.fixture
def searched(database: Database, job_file: Path) -> JobRow:
    """A job that is being searched for: two trials have finished, one failed, one runs."""
    with database.write() as session:
        posted = jobs.submit(session, read_job(job_file.read_text(), ["name=seeking", *SEARCH]))
        held = jobs.take(session, "test", timedelta(minutes=1), job_id=posted.id)
        assert held is not None
        for number in range(1, 5):
            values = {"student.layers": 1 + number % 2, "train.learning_rate": number * 1e-5}
            trials.begin(session, held.id, held.token, number, values)
        for number, f1 in ((1, 0.7135), (2, 0.8)):
            found = {"loss": 0.5, "f1": f1, "macs": number * 1.25e6}
            state = TrialState.FINISHED
            trials.end(session, held.id, held.token, number, state, epochs=3, metrics=found)
        state, why = TrialState.FAILED, Reason.BAD_SPEC
        trials.end(
            session, held.id, held.token, 3, state, epochs=0, metrics={}, reason=why, error="no"
        )
    return held


def lines(here: Here, job: UUID) -> list[str]:
    return [line.strip() for line in here("jobs", "show", job).splitlines()]


def test_a_plan_tells_the_cost(here: Here, job_file: Path) -> None:
    said = [part for override in SEARCH for part in ("--set", override)]
    told = here("plan", job_file, *said)
    assert "search: at most 4 trials, 1 at once, 12 epochs in all; the largest student" in told
    assert "MACs of training" in told
    assert "search" not in here("plan", job_file, "--set", "data.name=sample-entities")


def test_trials_are_shown_while_they_run(here: Here, searched: JobRow) -> None:
    told = lines(here, searched.id)
    (title,) = (line for line in told if line.startswith("trial  "))
    assert title.split() == [
        *("trial", "student.layers", "train.learning_rate"),
        *("state", "epochs", "loss", "f1", "macs"),
    ]
    cells = {line.split()[0]: line.split() for line in told if line[:1].isdigit()}
    assert cells["1"] == ["1", "*", "2", "1e-05", "finished", "3", "0.5000", "71.35", "1.25", "M"]
    assert cells["2"] == ["2", "*", "1", "2e-05", "finished", "3", "0.5000", "80.00", "2.5", "M"]
    assert cells["3"] == ["3", "2", "3e-05", "failed", "0"]
    assert cells["4"] == ["4", "1", "4e-05", "running", "0"]
    assert told[-1] == "trial 3 failed (bad_spec): no"


def test_of_a_job_that_failed_no_trial_runs(
    here: Here, database: Database, searched: JobRow
) -> None:
    with database.write() as session:
        jobs.fail(session, searched.id, searched.token, Reason.BAD_DATA, "gone")
    cells = {line.split()[0]: line.split() for line in lines(here, searched.id) if line[:1] == "4"}
    assert cells["4"] == ["4", "1", "4e-05", "interrupted", "0"]


def test_what_came_of_it_is_shown(here: Here, database: Database, searched: JobRow) -> None:
    with database.write() as session:
        jobs.finish(session, searched.id, searched.token, RESULT)
    told = lines(here, searched.id)
    at = told.index("* the front of f1 max, macs min: trials 1, 2")
    assert told[at : at + 3] == [
        "* the front of f1 max, macs min: trials 1, 2",
        "balance (of 1): 0.500 over MACs, 0.250 over milliseconds; "
        "+3.12 points for each doubling of MACs",
        "importance for f1: train.learning_rate 75%, student.layers 25%",
    ]
    student, _ = (line for line in told if line.startswith("student, distilled"))
    assert student.split()[:7] == ["student,", "distilled,", "trial", "2", "1", "80.00", "88.89"]
