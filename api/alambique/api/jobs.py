"""/v1/jobs: jobs are posted, read, followed and ended."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError

from alambique.api.checks import check, pin_names
from alambique.api.context import (
    AppContext,
    Context,
    Cursor,
    Db,
    IdPrefix,
    Limit,
    WritableDb,
)
from alambique.api.etags import UNCHANGED, IfNoneMatch, not_modified
from alambique.api.plan_views import PlanView
from alambique.api.planning import check_sizes, plan_of
from alambique.api.queries import job_page, job_view, trial_page
from alambique.api.request_body import Body, Key, body_description, read_job
from alambique.api.views import EventView, JobView, LogPage, PageView, TrialView
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.db_errors import is_away
from alambique.registry.records import Event
from alambique.spec.disk import is_disk_full
from alambique.spec.errors import UnknownName
from alambique.spec.job import Job
from alambique.spec.states import State, TrialState

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

BATCH = 500
"""Events that are read at once."""

_PLANNED: dict[str, Any] = {"model": PlanView, "description": "The plan, with `dry_run`"}

DryRun = Annotated[bool, Query(description="Answer the plan, and queue nothing.")]


@router.post(
    "",
    status_code=202,
    response_model=JobView,
    responses={200: _PLANNED},
    openapi_extra=body_description(Job),
)
def post_job(
    context: AppContext,
    body: Body,
    database: WritableDb,
    response: Response,
    dry_run: DryRun = False,
    idempotency_key: Key = None,
) -> JobView | Response:
    """Queue a job, given as JSON or YAML."""
    posted = read_job(body)
    if dry_run:
        plan = _plan(posted, context)
        return Response(plan.model_dump_json(), media_type="application/json")
    job_id = _queue(posted, context, idempotency_key)
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return view_of(database, job_id)


def _plan(posted: Job, context: Context) -> PlanView:
    check(posted, context)
    look_up = context.hub.for_request(context.stop)
    (job,) = pin_names([posted], context, look_up)
    planned = plan_of(job, context.settings, context.database, look_up=look_up)
    return PlanView.model_validate(planned)


def _queue(posted: Job, context: Context, key: str | None) -> UUID:
    """Queue a job and return its id; a key that was sent before has the job that was made then."""
    if key is not None:
        # before anybody is asked what the job names: a retry has its job, whatever became of that
        with context.database.read() as session:
            known = jobs.find_submitted(session, posted, key)
        if known is not None:
            return known.id
    check(posted, context)
    (job,) = pin_names([posted], context, context.hub.for_request(context.stop))
    check_sizes(job, context.settings)
    with context.database.write() as session:
        return jobs.submit(session, job, key=key, posted=posted).id


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
    """List jobs, newest first."""
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
    """Return a job as it stands; one that waits says why, and how many are ahead."""
    view = view_of(database, job_id)
    # what a waiting job waits for can change while the job itself does not
    known_tags = if_none_match if view.waiting is None else None
    return not_modified(response, f"{view.tag}", known_tags) or view


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
    """Return what a job wrote, oldest first; asked with its `after`, the lines that follow."""
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
    """List the trials of a job's search, in the order in which they were begun."""
    with database.read() as session:
        return trial_page(session, job_id, state=state, cursor=cursor, limit=limit)


def _existing_id(database: Db, job_id: UUID) -> UUID:
    """Return the id of a job that is there: a stream that has begun can refuse nothing."""
    with database.read() as session:
        return jobs.find(session, job_id).id


@router.get("/{job_id}/events", response_class=EventSourceResponse)
async def events(
    context: AppContext,
    job_id: Annotated[UUID, Depends(_existing_id)],
    last_event_id: Annotated[int, Header(ge=0)] = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Stream what happens to a job, live, from after `Last-Event-ID` to its final event."""
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
    """Return the next events, and whether the job was over when they were read."""
    with database.read() as session:
        over = jobs.find(session, job_id).state.over
        return jobs.events(session, job_id, after, BATCH), over


def view_of(database: Database, job_id: UUID) -> JobView:
    """Return a job as clients see it."""
    with database.read() as session:
        return job_view(session, job_id)
