"""Publishing: asks for versions and suites to be published, and tells how that stands."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from alambique.api.context import Cursor, Db, Limit, NamedModel, WritableDb
from alambique.api.publication_views import PublicationList, PublicationView
from alambique.api.queries import publication_page, publication_view, publication_views
from alambique.api.views import PageView
from alambique.registry import publication_requests, publications, versions
from alambique.spec.publication import FamilyRequest, PublicationRequest, family_of, target_of
from alambique.spec.states import PublicationState

router = APIRouter(prefix="/v1", tags=["publications"])

Number = Annotated[str, Path(description="The number of a version, or `latest`.")]


@router.post("/models/{name}/versions/{number}/publish", status_code=202)
def publish(
    database: WritableDb,
    model: NamedModel,
    number: Number,
    body: PublicationRequest,
    response: Response,
) -> PublicationView:
    """Ask for a version to be published; asked again, what is published stays as it is."""
    with database.write() as session:
        row = publications.request(
            session,
            versions.find(session, *model, number),
            target_of(body.to),
            private=body.private,
            override=body.override,
        )
        view = publication_view(session, row)
    response.headers["Location"] = f"/v1/publications/{view.id}"
    return view


@router.post("/suites/{suite_id}/publish", status_code=202)
def publish_suite(database: WritableDb, suite_id: UUID, body: FamilyRequest) -> PublicationList:
    """Ask for the best model of each task, teacher and student of a suite to be published."""
    with database.write() as session:
        rows = publication_requests.request_of_suite(
            session, suite_id, family_of(body.to), private=body.private, override=body.override
        )
        return PublicationList(items=publication_views(session, rows))


@router.get("/publications/{publication_id}")
def publication(database: Db, publication_id: UUID) -> PublicationView:
    """Return a publication as it stands."""
    with database.read() as session:
        return publication_view(session, publications.find(session, publication_id))


@router.get("/publications")
def list_publications(
    database: Db,
    project: str | None = None,
    name: Annotated[str | None, Query(description="Of a model.")] = None,
    job: Annotated[UUID | None, Query(description="The job that asked.")] = None,
    state: PublicationState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> PageView[PublicationView]:
    """List publications, newest first."""
    with database.read() as session:
        page = publications.page(
            session, project=project, name=name, job_id=job, state=state, cursor=cursor, limit=limit
        )
        return publication_page(session, page)
