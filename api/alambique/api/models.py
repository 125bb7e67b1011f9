"""/v1/models: what came of the jobs, with the files of each version."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse

from alambique.api.artifacts import open_artifact, pieces
from alambique.api.context import AppContext, Cursor, Db, Limit, ModelName, NamedModel
from alambique.api.etags import UNCHANGED, IfNoneMatch, is_unchanged, not_modified
from alambique.api.model_filters import Filter, Front
from alambique.api.predictions import PredictionView, QueryBody
from alambique.api.queries import model_page
from alambique.api.views import ModelView, PageView, VersionView
from alambique.registry import versions
from alambique.registry.database import Database
from alambique.registry.records import File, Version
from alambique.spec.errors import UnknownName

router = APIRouter(prefix="/v1/models", tags=["models"])

Number = Annotated[str, Path(description="The number of a version, an alias, or `latest`.")]
_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}


@router.get("")
def list_models(
    database: Db, filters: Filter, front: Front, cursor: Cursor = None, limit: Limit = 50
) -> PageView[ModelView]:
    """List the models that have a version with all that is asked for, newest first."""
    with database.read() as session:
        return model_page(session, filters, front, cursor=cursor, limit=limit)


@router.get("/{name}", response_model=ModelView, responses={304: UNCHANGED})
def model(
    database: Db, model: NamedModel, response: Response, if_none_match: IfNoneMatch = None
) -> ModelView | Response:
    """Return a model, with its newest version."""
    with database.read() as session:
        row = versions.model(session, *model)
    tag = f"{row.versions}-{row.latest.tag}"
    return not_modified(response, tag, if_none_match) or ModelView.model_validate(row)


@router.get("/{name}/versions")
def list_versions(
    database: Db,
    model: NamedModel,
    role: Annotated[str | None, Query(description="What it is in its job.")] = None,
    deleted: Annotated[bool, Query(description="Those that are deleted, not the others.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> PageView[VersionView]:
    """Return the versions of a model, newest first."""
    with database.read() as session:
        versions.find_model(session, *model)
        page = versions.page(
            session,
            project=model.project,
            name=model.name,
            role=role,
            deleted=deleted,
            cursor=cursor,
            limit=limit,
        )
    return PageView[VersionView].model_validate(page)


@router.get("/{name}/versions/{number}", response_model=VersionView, responses={304: UNCHANGED})
def version(
    database: Db,
    model: NamedModel,
    number: Number,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> VersionView | Response:
    """Return a version, with its files, metrics and lineage."""
    row = _find(database, model, number)
    return not_modified(response, f"{row.tag}", if_none_match) or VersionView.model_validate(row)


@router.get(
    "/{name}/versions/{number}/files/{file:path}",
    response_class=StreamingResponse,
    responses={200: _BYTES, 304: UNCHANGED},
)
def file(
    context: AppContext,
    model: NamedModel,
    number: Number,
    file: Annotated[str, Path(description="The name of one of the version's files.")],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the bytes of a file, whose ETag is their sha256."""
    row = _find(context.database, model, number)
    entry = _entry(row, file)
    headers = {"ETag": f'"{entry.sha256}"', "Content-Length": str(entry.size)}
    if is_unchanged(headers["ETag"], if_none_match):
        return Response(status_code=304, headers={"ETag": headers["ETag"]})
    opened = open_artifact(context.settings.artifact_root, row, entry)
    return StreamingResponse(pieces(opened), headers=headers, media_type="application/octet-stream")


@router.post("/{name}/versions/{number}/predict", responses={200: {"model": PredictionView}})
async def predict(
    context: AppContext, model: NamedModel, number: Number, body: QueryBody
) -> Response:
    """Return what a version says to a query; of a version that has the file of an engine."""
    row = await run_in_threadpool(_find, context.database, model, number)
    return JSONResponse(await context.predictor.predict(row, body.query))


def _find(database: Database, model: ModelName, number: str) -> Version:
    with database.read() as session:
        return versions.find(session, *model, number)


def _entry(version: Version, name: str) -> File:
    """Return the file of that name, which is compared and never becomes a path."""
    for entry in version.files:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in version.files)
    raise UnknownName(
        f"{version.name}@{version.number} has no file {name!r}: name one of {names or 'none'}"
    )
