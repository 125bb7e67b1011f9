"""/v1/models: what people say of versions, and which of them they want no more."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from alambique.api.context import Db, NamedModel, WritableDb
from alambique.api.etags import UNCHANGED, ExpectedTags, IfNoneMatch, not_modified
from alambique.api.models import Number
from alambique.api.views import PageView, VersionView
from alambique.api.zoo_views import AliasBody, AliasView, NoteBody
from alambique.registry import aliases, deletion, tags
from alambique.registry.records import Version

router = APIRouter(prefix="/v1/models", tags=["models"])

PlainNumber = Annotated[int, Path(ge=1, le=10**9, description="The number of a version.")]
"""Neither an alias nor `latest`: sent twice, that would mean another version the second time."""


@router.get("/{name}/aliases")
def list_aliases(database: Db, model: NamedModel) -> PageView[AliasView]:
    """Return the aliases of a model with their moves, also those that were removed."""
    with database.read() as session:
        found = aliases.of_model(session, *model)
    return PageView[AliasView](items=[AliasView.model_validate(one) for one in found], next=None)


@router.get("/{name}/aliases/{alias}", response_model=AliasView, responses={304: UNCHANGED})
def alias(
    database: Db,
    model: NamedModel,
    alias: str,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> AliasView | Response:
    """Return an alias: the version that it points to, and where it was before."""
    with database.read() as session:
        found = aliases.find(session, *model, alias)
    return not_modified(response, f"{found.tag}", if_none_match) or AliasView.model_validate(found)


@router.put("/{name}/aliases/{alias}")
def put_alias(
    database: WritableDb,
    model: NamedModel,
    alias: str,
    body: AliasBody,
    response: Response,
    expected: ExpectedTags,
) -> AliasView:
    """Set an alias to a version, or move it there."""
    moves = _move_numbers(expected)
    with database.write() as session:
        pointed = aliases.point(session, *model, alias, body.version, expected=moves)
    response.headers["ETag"] = f'"{pointed.tag}"'
    return AliasView.model_validate(pointed)


@router.delete("/{name}/aliases/{alias}")
def delete_alias(
    database: WritableDb, model: NamedModel, alias: str, expected: ExpectedTags
) -> AliasView:
    """Remove an alias; where it was stays known."""
    with database.write() as session:
        removed = aliases.remove(session, *model, alias, expected=_move_numbers(expected))
    return AliasView.model_validate(removed)


@router.put("/{name}/versions/{number}/tags/{tag}")
def put_tag(
    database: WritableDb,
    model: NamedModel,
    number: Number,
    tag: str,
    response: Response,
    expected: ExpectedTags,
) -> VersionView:
    """Give a version a tag."""
    with database.write() as session:
        version = tags.add_tag(session, *model, number, tag, expected=expected)
    return _version_view(version, response)


@router.delete("/{name}/versions/{number}/tags/{tag}")
def delete_tag(
    database: WritableDb,
    model: NamedModel,
    number: Number,
    tag: str,
    response: Response,
    expected: ExpectedTags,
) -> VersionView:
    """Take a tag from a version."""
    with database.write() as session:
        version = tags.remove_tag(session, *model, number, tag, expected=expected)
    return _version_view(version, response)


@router.post("/{name}/versions/{number}/notes", status_code=201)
def post_note(
    database: WritableDb,
    model: NamedModel,
    number: Number,
    body: NoteBody,
    response: Response,
    expected: ExpectedTags,
) -> VersionView:
    """Write a note about a version."""
    with database.write() as session:
        version = tags.add_note(session, *model, number, body.text, expected=expected)
    return _version_view(version, response)


@router.delete("/{name}/versions/{number}")
def delete_version(
    database: WritableDb,
    model: NamedModel,
    number: PlainNumber,
    response: Response,
    expected: ExpectedTags,
) -> VersionView:
    """Delete a version: it is out of all lists, and can be restored until its files are removed."""
    with database.write() as session:
        version = deletion.delete(session, *model, number, expected=expected)
    return _version_view(version, response)


@router.post("/{name}/versions/{number}/restore")
def restore_version(
    database: WritableDb,
    model: NamedModel,
    number: PlainNumber,
    response: Response,
    expected: ExpectedTags,
) -> VersionView:
    """Put a deleted version back."""
    with database.write() as session:
        version = deletion.restore(session, *model, number, expected=expected)
    return _version_view(version, response)


def _version_view(version: Version, response: Response) -> VersionView:
    response.headers["ETag"] = f'"{version.tag}"'
    return VersionView.model_validate(version)


def _move_numbers(expected: set[str] | None) -> set[int] | None:
    """Return the numbers of moves that are the ETags of an alias; None: any will do."""
    return None if expected is None else {int(tag) for tag in expected if tag.isdecimal()}
