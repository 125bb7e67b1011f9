"""A suite, and jobs of it that have ended, from which a comparison is made."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from alambique.api import comparison
from alambique.api.comparison import FinishedJob, finished_job
from alambique.api.comparison_table import Comparison
from alambique.api.gains import Gains, Pair
from alambique.spec.suite import Suite, suite_of
from alambique.tasks.bootstrap import Interval


def suite(**more: Any) -> Suite:
    tasks = {name: {"task": name, "data": name} for name in ("ner", "pos_ud")}
    students = {"small": {"layers": 1}, "large": {"layers": 2}}
    return suite_of({"name": "s", "tasks": tasks, "students": students, **more})


def row(name: str, score: float, loss: float = 1.0, macs: int = 100) -> dict[str, Any]:
    return {
        "name": name,
        "layers": 2,
        "parameters": 1_234_567 + macs,
        "macs": {"linear": macs, "full": 2 * macs},
        "metrics": {"f1": score, "accuracy": 0.0},
        "validation": {"loss": loss, "metric": 0.0},
        "latency_ms": 1.0,
        "inferences_per_second": macs,
        "throughput": 50.0,
        "version": f"{name}@{score}",
    }


def ended(
    task: str, student: str, *rows: dict[str, Any], computed: int = 0, **more: Any
) -> FinishedJob:
    """A job that has succeeded."""
    id_ = more.pop("id", UUID(int=0))
    notes = more.pop("teacher_notes", ())
    cell = {"task": task, "teacher": "teacher", "student": student, **more}
    result = {
        "rows": list(rows),
        "primary": "f1",
        "reference": {"name": "BETO", "macs": {"linear": 1000, "full": 9999}},
        "outputs": {"examples": 60, "computed": computed},
        "teacher_notes": notes,
    }
    found = finished_job(id_, cell, result)
    assert found is not None
    return found


def unknown(_: Sequence[Pair]) -> Mapping[Pair, Interval]:
    """Nothing is known of single examples."""
    return {}


def compare(suite: Suite, jobs: Sequence[FinishedJob], gains: Gains = unknown) -> Comparison:
    return comparison.compare(suite, jobs, gains)


def line(table: Comparison, role: str, student: str | None = "small") -> Any:
    (found,) = [one for one in table.rows if (one.role, one.student) == (role, student)]
    return found


def scored(name: str, score: float, seed: int) -> dict[str, Any]:
    """A line whose examples' scores are kept."""
    return row(name, score) | {"seeds": [{"seed": seed}], "steps": 90}


def answering(**more: Any) -> Suite:
    """A suite of one real task, whose table has what published ones have."""
    tasks = {"mlqa": {"task": "question-answering", "data": "mlqa-v1"}}
    return suite_of({"name": "s", "tasks": tasks, "students": {"small": {"layers": 1}}, **more})


def answered(f1: float, em: float, **more: Any) -> FinishedJob:
    scored = {"metrics": {"f1": f1, "em": em, "squad-f1": 0.25}}
    return ended("mlqa", "small", row("distilled", 0.0) | scored, **more)
