"""A job that trains the student on gold labels alone, and distils none."""

from pathlib import Path
from typing import Any

from alambique.registry.database import Database
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import State
from alambique.workers.queue.driver import run_here

PICO = (Path(__file__).parents[2] / "recipes" / "pico.yaml").read_text()


def test_it_is_the_student_of_a_job_that_distils_too(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    database = Database(settings.database)
    database.upgrade()

    def ended(*overrides: str) -> dict[str, Any]:
        said = ["train.epochs=1", "teacher.train.epochs=4", "teacher.gate=off", *overrides]
        row = run_here(settings, database, read_job(PICO, said), posted=lambda _: None)
        assert row.state is State.SUCCEEDED, row.message
        assert row.result is not None
        return row.result

    alone = ended("distil=false")
    assert [one["name"] for one in alone["rows"]] == ["teacher", "gold-only"]
    assert alone["outputs"] is None  # nothing was asked of the teacher
    both = ended()
    assert [one["name"] for one in both["rows"]] == ["teacher", "gold-only", "distilled"]
    assert both["outputs"]["computed"] == both["outputs"]["examples"] > 0
    first, second = (one["rows"][1] for one in (alone, both))
    for field in ("metrics", "validation", "parameters"):
        assert first[field] == second[field]
