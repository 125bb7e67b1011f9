"""/v1/models: what people say of versions, and which of them they want no more."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from alambique.api.context import (
    UNCHANGED,
    Db,
    IfMatch,
    IfNoneMatch,
    Project,
    WritableDb,
    is_unchanged,
    tags_of,
)
from alambique.api.models import Number
from alambique.api.views import PageView, VersionView
from alambique.api.zoo_views import AliasBody, AliasView, NoteBody
from alambique.registry import aliases, deletion, tags
from alambique.registry.records import Alias, Version

router = APIRouter(prefix="/v1/models", tags=["models"])

Plain = Annotated[int, Path(ge=1, le=10**9, description="The number of a version.")]
"""Neither an alias nor `latest`: sent twice, that would mean another version the second time."""


@router.get("/{name}/aliases")
def list_aliases(database: Db, name: str, project: Project = "default") -> PageView[AliasView]:
    """Return the aliases of a model with their moves, also those that were removed."""
    with database.read() as session:
        found = aliases.of_model(session, project, name)
    return PageView[AliasView](items=[AliasView.model_validate(one) for one in found], next=None)


@router.get("/{name}/aliases/{alias}", response_model=AliasView, responses={304: UNCHANGED})
def alias(
    database: Db,
    name: str,
    alias: str,
    response: Response,
    project: Project = "default",
    if_none_match: IfNoneMatch = None,
) -> AliasView | Response:
    """Return an alias: the version that it points to, and where it was before."""
    with database.read() as session:
        found = aliases.find(session, project, name, alias)
    if is_unchanged(f'"{found.tag}"', if_none_match):
        return Response(status_code=304, headers={"ETag": f'"{found.tag}"'})
    return _alias_view(found, response)


@router.put("/{name}/aliases/{alias}")
def put_alias(
    database: WritableDb,
    name: str,
    alias: str,
    body: AliasBody,
    response: Response,
    project: Project = "default",
    if_match: IfMatch = None,
) -> AliasView:
    """Set an alias to a version, or move it there."""
    expected = _moves_of(if_match)
    with database.write() as session:
        found = aliases.point(session, project, name, alias, body.version, expected=expected)
    return _alias_view(found, response)


@router.delete("/{name}/aliases/{alias}")
def delete_alias(
    database: WritableDb,
    name: str,
    alias: str,
    project: Project = "default",
    if_match: IfMatch = None,
) -> AliasView:
    """Remove an alias; where it was stays known."""
    with database.write() as session:
        found = aliases.remove(session, project, name, alias, expected=_moves_of(if_match))
    return AliasView.model_validate(found)


@router.put("/{name}/versions/{number}/tags/{tag}")
def put_tag(
    database: WritableDb,
    name: str,
    number: Number,
    tag: str,
    response: Response,
    project: Project = "default",
    if_match: IfMatch = None,
) -> VersionView:
    """Give a version a tag."""
    with database.write() as session:
        found = tags.add_tag(session, project, name, number, tag, expected=tags_of(if_match))
    return _version_view(found, response)


@router.delete("/{name}/versions/{number}/tags/{tag}")
def delete_tag(
    database: WritableDb,
    name: str,
    number: Number,
    tag: str,
    response: Response,
    project: Project = "default",
    if_match: IfMatch = None,
) -> VersionView:
    """Take a tag from a version."""
    with database.write() as session:
        found = tags.remove_tag(session, project, name, number, tag, expected=tags_of(if_match))
    return _version_view(found, response)


@router.post("/{name}/versions/{number}/notes", status_code=201)
def post_note(
    database: WritableDb,
    name: str,
    number: Number,
    body: NoteBody,
    response: Response,
    project: Project = "default",
    if_match: IfMatch = None,
) -> VersionView:
    """Write a note about a version."""
    with database.write() as session:
        found = tags.add_note(session, project, name, number, body.text, expected=tags_of(if_match))
    return _version_view(found, response)


@router.delete("/{name}/versions/{number}")
def delete_version(
    database: WritableDb,
    name: str,
    number: Plain,
    response: Response,
    project: Project = "default",
    if_match: IfMatch = None,
) -> VersionView:
    """Delete a version: it is out of all lists, and can be restored until its files are removed."""
    with database.write() as session:
        found = deletion.delete(session, project, name, number, expected=tags_of(if_match))
    return _version_view(found, response)


@router.post("/{name}/versions/{number}/restore")
def restore_version(
    database: WritableDb,
    name: str,
    number: Plain,
    response: Response,
    project: Project = "default",
    if_match: IfMatch = None,
) -> VersionView:
    """Put a deleted version back."""
    with database.write() as session:
        found = deletion.restore(session, project, name, number, expected=tags_of(if_match))
    return _version_view(found, response)


def _alias_view(alias: Alias, response: Response) -> AliasView:
    response.headers["ETag"] = f'"{alias.tag}"'
    return AliasView.model_validate(alias)


def _version_view(version: Version, response: Response) -> VersionView:
    response.headers["ETag"] = f'"{version.tag}"'
    return VersionView.model_validate(version)


def _moves_of(if_match: str | None) -> set[int] | None:
    """Return the tags of which an alias has to have one; None: any will do."""
    expected = tags_of(if_match)
    return None if expected is None else {int(tag) for tag in expected if tag.isdecimal()}
