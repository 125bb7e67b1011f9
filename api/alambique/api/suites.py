"""/v1/suites: submits, reads and cancels matrices of jobs."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from alambique.api.checks import check_suite, pin_names
from alambique.api.comparison import suite_comparison
from alambique.api.context import AppContext, Context, Cursor, Db, IdPrefix, Limit, WritableDb
from alambique.api.exports import Form, table_text
from alambique.api.gains import Gains
from alambique.api.request_body import Body, Key, body_description, read_suite
from alambique.api.suite_collection import collection_of
from alambique.api.views import PageView, SuiteLine, SuiteView
from alambique.api.zoo_views import Collection
from alambique.registry import suites
from alambique.registry.database import Database
from alambique.spec.matrix import field_at, jobs_of
from alambique.spec.suite import Suite

router = APIRouter(prefix="/v1/suites", tags=["suites"])

_TYPES = {
    Form.MARKDOWN: "text/markdown",
    Form.CSV: "text/csv",
    Form.LATEX: "application/x-tex",
}
_TABLE: dict[str, Any] = {
    "description": "The table",
    "content": {kind: {"schema": {"type": "string"}} for kind in _TYPES.values()},
}


@router.post("", status_code=202, openapi_extra=body_description(Suite))
def post_suite(
    context: AppContext,
    body: Body,
    database: WritableDb,
    response: Response,
    idempotency_key: Key = None,
) -> SuiteView:
    """Queue all jobs of a suite, given as JSON or YAML; or none, where one cannot be."""
    suite_id = _queue(read_suite(body), context, idempotency_key)
    response.headers["Location"] = f"/v1/suites/{suite_id}"
    return _view(database, suite_id, context.gains)


def _queue(suite: Suite, context: Context, key: str | None) -> UUID:
    """Queue the jobs of a suite and return its id; of a known key, return that of its suite."""
    if key is not None:
        with context.database.read() as session:
            known = suites.find_submitted(session, suite, key)
        if known is not None:
            return known.id
    planned = jobs_of(suite)
    check_suite(suite, planned, context)
    cells, jobs = zip(*planned, strict=True)
    look_up = context.hub.for_request(context.stop)
    pinned = pin_names(jobs, context, look_up, lambda n, path: field_at(suite, cells[n], path))
    with context.database.write() as session:
        return suites.submit(session, suite, tuple(zip(cells, pinned, strict=True)), key=key).id


@router.get("")
def list_suites(
    database: Db,
    project: str | None = None,
    name: str | None = None,
    id: IdPrefix = None,  # noqa: A002  (its name in the URL)
    cursor: Cursor = None,
    limit: Limit = 50,
) -> PageView[SuiteLine]:
    """List suites, newest first."""
    with database.read() as session:
        page = suites.page(
            session, project=project, name=name, id_prefix=id, cursor=cursor, limit=limit
        )
    items = [SuiteLine.model_validate(row) for row in page.items]
    return PageView[SuiteLine](items=items, next=page.next)


@router.get("/{suite_id}")
def suite(
    context: AppContext,
    database: Db,
    suite_id: UUID,
    table: Annotated[bool, Query(description="false: without the table, which is quicker.")] = True,
) -> SuiteView:
    """Return a suite as it stands: its jobs, and the table as far as it is known."""
    return _view(database, suite_id, context.gains if table else None)


@router.get("/{suite_id}/table", response_class=Response, responses={200: _TABLE})
def table(
    context: AppContext,
    database: Db,
    suite_id: UUID,
    form: Annotated[Form, Query(alias="format", description="What to write.")] = Form.MARKDOWN,
) -> Response:
    """Return the table of a suite as text."""
    with database.read() as session:
        row, results = suites.find(session, suite_id), suites.results(session, suite_id)
    comparison = suite_comparison(row, results, context.gains)
    return Response(table_text(comparison, form), media_type=_TYPES[form])


@router.get("/{suite_id}/collection")
def collection(context: AppContext, database: Db, suite_id: UUID) -> Collection:
    """Return the teachers and students of a suite as one family, with the table."""
    return collection_of(database, suite_id, context.gains)


@router.post("/{suite_id}/cancel", status_code=202)
def cancel(context: AppContext, database: WritableDb, suite_id: UUID) -> SuiteView:
    """Ask all jobs of a suite to end that are not over."""
    more = True
    while more:
        with database.write() as session:
            more = suites.cancel(session, suite_id)
    return _view(database, suite_id, context.gains)


def _view(database: Database, suite_id: UUID, gains: Gains | None) -> SuiteView:
    """Return the suite, with its table if `gains` is there to compute it."""
    with database.read() as session:
        row, jobs = suites.find(session, suite_id), suites.jobs_in(session, suite_id)
        results = suites.results(session, suite_id) if gains else ()
    return SuiteView.of(row, jobs, suite_comparison(row, results, gains) if gains else None)
