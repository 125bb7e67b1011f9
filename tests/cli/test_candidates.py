"""How the command line shows what a teacher is chosen from."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.job_results import job_result, result_row

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.reading import read_job

Here = Callable[..., str]

SCRATCH = "{architecture: bert, layers: %d, width: 32, heads: 2, ffn: 64}"
CHOICE = (
    f"teacher={{candidates: [{SCRATCH % 2}, {SCRATCH % 3}], grid: {{epochs: [1, 2]}}}}",
    "data.name=sample-entities",
)


def tried(
    rate: float, loss: float | None, *, taught: bool = False, why: str | None = None
) -> dict[str, Any]:
    return {
        "model": "mini [es]",
        "train": {"batch_size": 16, "learning_rate": rate},
        "loss": loss,
        "metric": None if loss is None else 0.7135,
        "collapsed": why,
        "taught": taught,
        "version": None if loss is None else "tiny-candidate-1@1",
    }


RESULT = job_result(
    result_row("teacher", 0.9),
    candidates=[tried(1e-5, 0.51234, taught=True), tried(1.0, None, why="it diverged")],
)


def test_a_plan_has_a_table_of_candidates(here: Here, job_file: Path) -> None:
    said = [part for override in CHOICE for part in ("--set", override)]
    lines = [line.strip() for line in here("plan", job_file, *said).splitlines()]
    (title,) = (line for line in lines if line.startswith("candidate"))
    assert title.split()[-1] == "runs"
    for layers in (2, 3):
        (line,) = (line for line in lines if line.startswith(f"bert of {layers} layers"))
        assert line.split()[-1] == "2"
    assert "candidate" not in here("plan", job_file, "--set", "data.name=sample-entities")


def test_a_plan_has_a_line_for_each_teacher(here: Here, job_file: Path) -> None:
    two = f"teacher=[{{model: {SCRATCH % 2}, train: {{}}}}, {{model: {SCRATCH % 3}, train: {{}}}}]"
    said = ("--set", two, "--set", "data.name=sample-entities")
    lines = [line.split() for line in here("plan", job_file, *said).splitlines()]
    names = [line[0] for line in lines if line[2:3] == ["k"]]
    assert names == ["teacher", "teacher-2", "student"]


def test_a_job_that_chose_its_teacher_shows_what_from(
    here: Here, database: Database, job_file: Path
) -> None:
    with database.write() as session:
        posted = jobs.submit(session, read_job(job_file.read_text(), ["name=chose", *CHOICE]))
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=posted.id)
    assert row is not None
    with database.write() as session:
        jobs.finish(session, row.id, row.token, RESULT)
    lines = [line.strip() for line in here("jobs", "show", row.id).splitlines()]
    best, worst = (line for line in lines if line.startswith("mini [es]"))
    assert "batch_size 16, learning_rate 1e-05" in best
    assert best.split()[-4:] == ["0.5123", "71.35", "taught", "tiny-candidate-1@1"]
    assert worst.split()[-1] == "collapsed"
