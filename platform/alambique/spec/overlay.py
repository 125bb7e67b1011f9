"""Changes one value of nested mappings and lists, which is named by its path."""

from typing import Any

from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short

_MAX_DEPTH = 32
"""The most parts of a path: for each, a mapping that is missing is made in the one before."""


def with_value(content: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return the content with `value` at a path; missing mappings on the way are made.

    Raises:
        BadSpec: the content has no such place.
    """
    parts = path.split(".", _MAX_DEPTH)
    if len(parts) > _MAX_DEPTH:
        raise BadSpec(f"{short(path)} has more than {_MAX_DEPTH} parts: no field lies so deep")
    changed: dict[str, Any] = _with(content, parts, value, above=())
    return changed


def _with(content: object, path: list[str], value: object, *, above: tuple[str, ...]) -> Any:
    """Return `content`, which is at `above`, with `value` at `path` in it."""
    head, *rest = path
    here = (*above, head)
    if isinstance(content, list):
        index = int(head) if head.isdecimal() and int(head) < len(content) else None
        if index is None:
            place = ".".join(above)
            raise BadSpec(f"{place}: {head!r} is no index of a list of {len(content)}")
        inner = _with(content[index], rest, value, above=here) if rest else value
        return [*content[:index], inner, *content[index + 1 :]]
    before = _mapping_at(above, content, head)
    return before | {head: _with(before.get(head), rest, value, above=here) if rest else value}


def _mapping_at(path: tuple[str, ...], content: object, head: str) -> dict[str, Any]:
    """Return what is at the path, as the mapping in which `head` can be set."""
    field = ".".join(path)
    if isinstance(content, dict):
        return content
    if content is None and head.isdecimal():
        raise BadSpec(
            f"{field}.{head}: there is no list {field} in the file, so none of its items can be "
            f"changed: give the whole list, {field}: […]"
        )
    if content is None:
        return {}
    if path[-1] == "data":
        return {"name": content}
    raise BadSpec(
        f"{field}.{head}: {field} is {short(content)}, which has no fields: give the whole of "
        f"it, {field}: {{{head}: …}}"
    )
