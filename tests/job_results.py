"""Results of jobs as the registry keeps them, whole but for what a test does not care about."""

from typing import Any

from alambique.registry.job_result import JobResult, ResultRow


def result_row(name: str, f1: float = 0.5, **more: Any) -> dict[str, Any]:
    """A model of a job's table."""
    row: dict[str, Any] = {
        "name": name,
        "layers": 1,
        "parameters": 1_000,
        "macs": {"linear": 10, "full": 20},
        "metrics": {"f1": f1},
        "validation": {"loss": 1.0, "metric": f1},
        "latency_ms": 2.5,
        "inferences_per_second": 400.0,
        "version": f"{name}@1",
    }
    return ResultRow.model_validate(row | more).model_dump(mode="json")


def job_result(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The result of a job with these models."""
    result: dict[str, Any] = {
        "rows": rows,
        "primary": "f1",
        "reference": {"name": "BETO", "macs": {"linear": 100, "full": 100}},
        "outputs": {"examples": 10, "computed": 10},
    }
    return JobResult.model_validate(result | more).model_dump(mode="json")
