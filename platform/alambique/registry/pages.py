"""Pages of a list, newest first.

Ids are UUIDv7, which sort by the time they were made at: what is inserted while somebody turns
pages goes before the first one, and moves nothing between the others.
"""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from alambique.registry.records import Page
from alambique.spec.errors import BadSpec

R = TypeVar("R")
T = TypeVar("T")

_DIGITS = re.compile("[0-9a-f]{1,32}")


def page_of(
    session: Session,
    query: Select[R],
    key: InstrumentedAttribute[UUID],
    cursor: str | None,
    limit: int,
    records: Callable[[Sequence[R]], Sequence[tuple[UUID, T]]],
    *,
    size: ColumnElement[int] | None = None,
    most: int = 0,
) -> Page[T]:
    """At most `limit` rows of `query` after the cursor, as records paired with their ids.

    Args:
        session: where they are read.
        query: of all rows of the list.
        key: the column of their ids.
        cursor: of the page before; None for the first one.
        limit: how many rows at most.
        records: makes records of rows.
        size: how large a row is. The page ends early with the row by which it comes to `most`.
        most: in the measure of `size`.

    Raises:
        BadSpec: the cursor is not one that a page gave.
    """
    if cursor is not None:
        query = query.where(key < _read(cursor))
    if size is not None:
        limit = _fitting(session, query, key, limit, size, most)
    rows = session.scalars(query.order_by(key.desc()).limit(limit + 1)).all()
    found = records(rows[:limit])
    more = len(rows) > limit and len(found) > 0
    return Page(tuple(item for _, item in found), _write(found[-1][0]) if more else None)


def _fitting(
    session: Session,
    query: Select[Any],
    key: InstrumentedAttribute[UUID],
    limit: int,
    size: ColumnElement[int],
    most: int,
) -> int:
    """How many rows, up to `limit`, come to that size; told without reading them."""
    sizes = query.with_only_columns(size).order_by(key.desc()).limit(limit)
    sums = accumulate(session.scalars(sizes))
    return next((count for count, whole in enumerate(sums, 1) if whole >= most), limit)


def starts_with(key: InstrumentedAttribute[UUID], prefix: str) -> ColumnElement[bool]:
    """Whether an id begins with these hexadecimal digits; a range, for which its index serves.

    Raises:
        BadSpec: they are none, or more than an id has.
    """
    digits = prefix.replace("-", "").lower()
    if not _DIGITS.fullmatch(digits):
        raise BadSpec(
            f"{prefix[:40]!r} is not how an id begins: give 1 to 32 of its digits 0-9 and a-f"
        )
    return key.between(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f")))


def _write(key: UUID) -> str:
    return urlsafe_b64encode(key.bytes).decode().rstrip("=")


def _read(cursor: str) -> UUID:
    try:
        return UUID(bytes=urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error) as error:
        raise BadSpec(
            f"{cursor[:40]!r} is no cursor of this list: give the one of the page before, or none"
        ) from error
