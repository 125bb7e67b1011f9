"""/v1/jobs: reading, following and ending jobs."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError

from alambique.api.context import (
    UNCHANGED,
    AppContext,
    Cursor,
    Db,
    IdPrefix,
    IfNoneMatch,
    Limit,
    WritableDb,
    is_unchanged,
)
from alambique.api.queries import job_page, job_view, trial_page
from alambique.api.views import EventView, JobView, LogPage, PageView, TrialView
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.db_errors import is_away
from alambique.registry.records import Event
from alambique.spec.disk import is_disk_full
from alambique.spec.errors import UnknownName
from alambique.spec.states import State, TrialState

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

BATCH = 500
"""Events that are read at once."""


@router.get("")
def list_jobs(
    database: Db,
    project: str | None = None,
    state: State | None = None,
    task: str | None = None,
    name: str | None = None,
    id: IdPrefix = None,  # noqa: A002  (its name in the URL)
    cursor: Cursor = None,
    limit: Limit = 50,
) -> PageView[JobView]:
    """Jobs, newest first."""
    with database.read() as session:
        page = jobs.page(
            session,
            project=project,
            state=state,
            task=task,
            name=name,
            id_prefix=id,
            cursor=cursor,
            limit=limit,
        )
        return job_page(session, page)


@router.get("/{job_id}", response_model=JobView, responses={304: UNCHANGED})
def job(
    database: Db, job_id: UUID, response: Response, if_none_match: IfNoneMatch = None
) -> JobView | Response:
    """A job as it stands; one that waits says why, and how many are ahead."""
    view = view_of(database, job_id)
    tag = {"ETag": f'"{view.tag}"'}
    # what a waiting job waits for can change while the job itself does not
    if view.waiting is None and is_unchanged(tag["ETag"], if_none_match):
        return Response(status_code=304, headers=tag)
    response.headers.update(tag)
    return view


@router.post("/{job_id}/cancel", status_code=202)
def cancel(database: WritableDb, job_id: UUID) -> JobView:
    """Ask a job to end: its driver is interrupted at its next heartbeat."""
    with database.write() as session:
        jobs.cancel(session, job_id)
    return view_of(database, job_id)


@router.post("/{job_id}/kill", status_code=202)
def kill(database: WritableDb, job_id: UUID) -> JobView:
    """End a job now."""
    with database.write() as session:
        jobs.cancel(session, job_id, kill=True)
    return view_of(database, job_id)


@router.get("/{job_id}/logs")
def logs(
    database: Db,
    job_id: UUID,
    after: Annotated[int, Query(ge=0, description="`after` of the answer before.")] = 0,
    limit: Limit = 200,
) -> LogPage:
    """What a job wrote, oldest first; asked again with its `after` it goes on from there."""
    with database.read() as session:
        jobs.find(session, job_id)
        return LogPage.of(jobs.logs(session, job_id, after, limit), after)


@router.get("/{job_id}/trials")
def list_trials(
    database: Db,
    job_id: UUID,
    state: TrialState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> PageView[TrialView]:
    """The trials of a job's search, in the order in which they were begun; without one, none."""
    with database.read() as session:
        return trial_page(session, job_id, state=state, cursor=cursor, limit=limit)


def _existing_id(database: Db, job_id: UUID) -> UUID:
    """The id of a job that is there: a stream that has begun can refuse nothing."""
    with database.read() as session:
        return jobs.find(session, job_id).id


@router.get("/{job_id}/events", response_class=EventSourceResponse)
async def events(
    context: AppContext,
    job_id: Annotated[UUID, Depends(_existing_id)],
    last_event_id: Annotated[int, Header(ge=0)] = 0,
) -> AsyncIterator[ServerSentEvent]:
    """What happens to a job, live, from after `Last-Event-ID` to its final event."""
    after = last_event_id
    while not context.stop.is_set():
        try:
            news, over = await run_in_threadpool(_next_events, context.database, job_id, after)
        except SQLAlchemyError as error:
            if not (is_away(error) or is_disk_full(error)):
                raise
            await context.events.wait(job_id, -1)  # until the database answers again
            continue
        except UnknownName:
            return  # it was deleted
        for event in news:
            data = EventView.model_validate(event)
            yield ServerSentEvent(id=str(event.id), event=event.kind, data=data)
            after = event.id
        if len(news) == BATCH:
            continue
        if over:
            return
        await context.events.wait(job_id, after)


def _next_events(database: Database, job_id: UUID, after: int) -> tuple[tuple[Event, ...], bool]:
    """The next events, and whether the job was over when they were read."""
    with database.read() as session:
        over = jobs.find(session, job_id).state.over
        return jobs.events(session, job_id, after, BATCH), over


def view_of(database: Database, job_id: UUID) -> JobView:
    """A job as clients see it."""
    with database.read() as session:
        return job_view(session, job_id)
