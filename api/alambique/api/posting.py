"""POST /v1/jobs: a job is read, checked before a row is written, and queued or planned."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from alambique.api.checks import check, pin_names
from alambique.api.context import AppContext, WritableDb
from alambique.api.jobs import view_of
from alambique.api.openapi import body_description
from alambique.api.plan_views import PlanView
from alambique.api.planning import check_sizes, plan_of
from alambique.api.request_body import Body, Key, read_job
from alambique.api.views import JobView
from alambique.registry import jobs
from alambique.spec.job import Job

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

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
    if idempotency_key is not None and not dry_run:
        # before anybody is asked what the job names: a retry has its job, whatever became of that
        with database.read() as session:
            known = jobs.find_submitted(session, posted, idempotency_key)
        if known is not None:
            response.headers["Location"] = f"/v1/jobs/{known.id}"
            return view_of(database, known.id)
    check(posted, context)
    look_up = partial(context.hub.run, until=context.hub.deadline(), stop=context.stop)
    (job,) = pin_names([posted], context, look_up)
    if dry_run:
        planned = plan_of(job, context.settings, database, look_up=look_up)
        plan = PlanView.model_validate(planned)
        return Response(plan.model_dump_json(), media_type="application/json")
    check_sizes(job, context.settings)
    with database.write() as session:
        row = jobs.submit(session, job, key=idempotency_key, posted=posted)
    response.headers["Location"] = f"/v1/jobs/{row.id}"
    return view_of(database, row.id)
