"""What is known here, as clients see it: for routes, and for commands without a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from alambique.api.publication_views import PublicationView
from alambique.api.views import DatasetView, JobView, ModelView, PageView, TaskView, TrialView
from alambique.distill.front import front_of
from alambique.registry import jobs, model_search, publications, trials
from alambique.registry.model_search import Cost, VersionFilter
from alambique.registry.records import JobRow, Page, Publication, Trial
from alambique.registry.transitions import WAITING
from alambique.spec.search import Search
from alambique.spec.states import TrialState
from alambique.tasks.all import ALL
from alambique.tasks.catalogue import DATASETS
from alambique.tasks.datasets import Articles, Dataset, Files, Hub, Paragraphs, Shipped


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
    front = _front_numbers(search, trials.of_job(session, job_id))
    views = [TrialView.of(trial, front) for trial in page.items]
    return PageView[TrialView](items=views, next=page.next)


def _front_numbers(search: Mapping[str, Any] | None, trials: Iterable[Trial]) -> frozenset[int]:
    """Return the numbers of those on the front of all `trials` of a job with that `search`."""
    if search is None:
        return frozenset()
    goals = Search.model_validate(search).targets
    finished = {one.number: one.metrics for one in trials if one.state is TrialState.FINISHED}
    return frozenset(front_of(goals, finished))


def publication_page(session: Session, page: Page[Publication]) -> PageView[PublicationView]:
    """Return the publications of a page as clients see them."""
    items = publication_views(session, page.items)
    return PageView[PublicationView](items=items, next=page.next)


def publication_views(session: Session, rows: Sequence[Publication]) -> list[PublicationView]:
    """Return publications as clients see them, with the names of their versions."""
    names = publications.version_names(session, {row.version_id for row in rows})
    return [PublicationView.of(row, names[row.version_id]) for row in rows]


def publication_view(session: Session, row: Publication) -> PublicationView:
    """Return a publication as clients see it."""
    return publication_views(session, [row])[0]


def model_page(
    session: Session,
    filters: VersionFilter,
    front: Cost | None,
    *,
    cursor: str | None,
    limit: int,
) -> PageView[ModelView]:
    """Return the models that have a version that passes a filter, newest first.

    Args:
        session: where they are read.
        filters: what the version has to be.
        front: the cost against which the score is weighed, to have those on the front alone. None:
            all of them.
        cursor: of the page before; None for the first one.
        limit: how many at most.
    """
    among = None
    if front is not None:
        primary = {task.name: task.primary for task in ALL}
        among = model_search.front_versions(session, filters, front, primary)
    page = model_search.models(session, filters, among=among, cursor=cursor, limit=limit)
    return PageView[ModelView].model_validate(page)


def known_tasks() -> PageView[TaskView]:
    """Return every task."""
    return PageView[TaskView](items=[TaskView.of(task) for task in ALL], next=None)


def known_data(folder: Path | None) -> PageView[DatasetView]:
    """Return every data set of the catalogue; `folder` is that of ALAMBIQUE_DATA, if it is set."""
    views = [DatasetView.of(one, _is_at_hand(one, folder)) for one in DATASETS]
    return PageView[DatasetView](items=views, next=None)


def _is_at_hand(dataset: Dataset, folder: Path | None) -> bool:
    match dataset.source:
        case Shipped():
            return True
        case Hub():
            return False  # it is fetched when a job runs
        case Files(paths, _):
            needed = tuple(paths.values())
        case Articles(path, _):
            needed = (path,)
        case Paragraphs(paths, _):
            needed = paths
    return folder is not None and all((folder / path).is_file() for path in needed)
