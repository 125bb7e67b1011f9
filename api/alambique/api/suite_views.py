"""What the API answers about suites, as JSON. Free of HTTP, for clients too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from alambique.api.comparison import Gains, compare
from alambique.api.comparison_table import Comparison
from alambique.api.results import finished_job
from alambique.api.views import View
from alambique.registry.records import SuiteJobRow, SuiteRow
from alambique.spec.states import Reason, StageName, State
from alambique.spec.suite import Cell, suite_of

Results = Sequence[tuple[UUID, dict[str, Any], dict[str, Any]]]
"""The ids, cells and results of jobs that have succeeded."""


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
    stage: StageName | None
    progress: float | None
    """Of the stage, 0 to 1."""
    eta_seconds: float | None
    attempts: int


class SuiteView(SuiteLine):
    """A suite as it stands, with its jobs and the table as far as it is known."""

    jobs: list[SuiteJob]
    comparison: Comparison | None
    """null where it was not asked for."""

    @classmethod
    def of(
        cls, row: SuiteRow, jobs: Sequence[SuiteJobRow], comparison: Comparison | None = None
    ) -> SuiteView:
        """The suite as clients see it, with its table where that is given."""
        return cls(
            **SuiteLine.model_validate(row).model_dump(),
            jobs=[SuiteJob.model_validate(job) for job in jobs],
            comparison=comparison,
        )


def comparison_of(row: SuiteRow, results: Results, gains: Gains) -> Comparison:
    """The table of a suite; results of a program of another version are left out."""
    known = (finished_job(*one) for one in results)
    return compare(suite_of(row.spec), [one for one in known if one is not None], gains)
