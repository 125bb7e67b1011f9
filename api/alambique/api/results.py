"""Jobs of a suite that have succeeded, with their places and results."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from alambique.registry.job_result import JobResult
from alambique.spec.suite import Cell


class FinishedJob(BaseModel):
    """A job of a suite that has succeeded."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    cell: Cell
    """Its place in the suite."""
    result: JobResult


def finished_job(
    id: UUID,  # noqa: A002
    cell: dict[str, Any],
    result: dict[str, Any],
) -> FinishedJob | None:
    """Return a job with its place and result; None: another version wrote them."""
    try:
        return FinishedJob(
            id=id, cell=Cell.model_validate(cell), result=JobResult.model_validate(result)
        )
    except ValidationError:
        return None
