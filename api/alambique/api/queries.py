"""What the registry says as clients see it: for routes, and for commands without a server."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from alambique.api.trial_views import TrialView, front_numbers
from alambique.api.views import JobView, PageView
from alambique.registry import jobs, trials
from alambique.registry.records import JobRow, Page
from alambique.registry.transitions import WAITING
from alambique.spec.states import TrialState


def job_view(session: Session, job_id: UUID) -> JobView:
    """Return a job; one that waits says why, and how many are ahead."""
    row = jobs.find(session, job_id)
    return JobView.of(row, jobs.waiting(session, row.id) if row.state in WAITING else None)


def job_page(session: Session, page: Page[JobRow]) -> PageView[JobView]:
    """Return the jobs of a page, each with what it waits for."""
    waiting = jobs.waiting_of(session, page.items)
    views = [JobView.of(row, waiting.get(row.id)) for row in page.items]
    return PageView[JobView](items=views, next=page.next)


def trial_page(
    session: Session, job_id: UUID, *, state: TrialState | None, cursor: str | None, limit: int
) -> PageView[TrialView]:
    """Return the trials of a job's search, in the order in which they were begun."""
    search = jobs.find(session, job_id).spec.get("search")
    page = trials.page(session, job_id, state=state, cursor=cursor, limit=limit)
    front = front_numbers(search, trials.of_job(session, job_id))
    views = [TrialView.of(trial, front) for trial in page.items]
    return PageView[TrialView](items=views, next=page.next)
