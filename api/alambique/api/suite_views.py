"""What the API answers about suites, as JSON. Free of HTTP, for clients too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from alambique.api.comparison import Comparison, Finished, compare
from alambique.api.views import View
from alambique.registry.records import JobRow, SuiteRow
from alambique.spec.states import Reason, Stage, State
from alambique.spec.suite import Cell, suite_of


class SuiteLine(View):
    """A suite in a list."""

    id: UUID
    project: str
    name: str
    created_at: datetime
    states: dict[State, int]
    """How many of its jobs are in which state."""
    over: bool
    """Whether none of its jobs has anything left to do."""


class SuiteJob(View):
    """A job of a suite, as it stands."""

    id: UUID
    name: str | None
    cell: Cell
    state: State
    reason: Reason | None
    message: str | None
    stage: Stage | None
    progress: float | None
    """Of the stage, 0 to 1."""
    eta_seconds: float | None
    attempts: int


class SuiteView(SuiteLine):
    """A suite as it stands, with its jobs and the table as far as it is known."""

    jobs: list[SuiteJob]
    comparison: Comparison

    @classmethod
    def of(cls, row: SuiteRow, jobs: Sequence[JobRow]) -> SuiteView:
        """The suite as clients see it."""
        seen = [SuiteJob.model_validate(job) for job in jobs]
        finished = [
            Finished(cell=one.cell, result=job.result)
            for one, job in zip(seen, jobs, strict=True)
            if job.state is State.SUCCEEDED and job.result is not None
        ]
        line = SuiteLine.model_validate(row)
        comparison = compare(suite_of(row.spec), finished)
        return cls(**line.model_dump(), jobs=seen, comparison=comparison)
