"""Pages of a list, and the cursors by which clients ask for the page after one.

Ids are UUIDv7, which sort by the time they were made at: what is inserted while somebody turns
pages of a list that is newest first goes before the first page, and moves nothing between the
others.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from alambique.registry.records import Page
from alambique.spec.errors import BadSpec

K = TypeVar("K")
R = TypeVar("R")
T = TypeVar("T")

_DIGITS = re.compile("[0-9a-f]{1,32}")


@dataclass(frozen=True, slots=True)
class ListOrder(Generic[K]):
    """The column by which a list is sorted, and how a cursor holds a value of that column."""

    column: InstrumentedAttribute[K]
    encode: Callable[[K], bytes]
    decode: Callable[[bytes], K]
    """Raises ValueError where the bytes hold no such value."""
    descending: bool = False

    @property
    def clause(self) -> ColumnElement[K]:
        """The order of the rows."""
        return self.column.desc() if self.descending else self.column.asc()

    def after(self, cursor: str) -> ColumnElement[bool]:
        """Return whether a row comes after the page that gave the cursor.

        Raises:
            BadSpec: the cursor is not one that a page gave.
        """
        try:
            last = self.decode(urlsafe_b64decode(cursor + "=="))
        except ValueError as error:
            raise BadSpec(
                f"{cursor[:40]!r} is no cursor of this list: give the one of the page before, or "
                "none"
            ) from error
        return self.column < last if self.descending else self.column > last

    def cursor_after(self, row: object) -> str:
        """Return the cursor of the page that ends with this row."""
        return urlsafe_b64encode(self.encode(getattr(row, self.column.key))).decode().rstrip("=")


def newest_first(ids: InstrumentedAttribute[UUID]) -> ListOrder[UUID]:
    """Return the order of a list by its ids, the newest first."""
    return ListOrder(
        ids, lambda key: key.bytes, lambda content: UUID(bytes=content), descending=True
    )


def page_of(
    session: Session,
    query: Select[R],
    order: ListOrder[Any],
    cursor: str | None,
    limit: int,
    records: Callable[[Sequence[R]], Sequence[T]],
    *,
    size: ColumnElement[int] | None = None,
    most: int = 0,
) -> Page[T]:
    """Return at most `limit` rows of `query` after the cursor, as records.

    Args:
        session: where they are read.
        query: of all rows of the list.
        order: of the list.
        cursor: of the page before; None for the first one.
        limit: how many rows at most.
        records: makes a record of each row.
        size: how large a row is. The page ends early with the row by which it comes to `most`.
        most: in the measure of `size`.

    Raises:
        BadSpec: the cursor is not one that a page gave.
    """
    if cursor is not None:
        query = query.where(order.after(cursor))
    query = query.order_by(order.clause)
    if size is not None:
        limit = _count_up_to(session, query.with_only_columns(size), limit, most)
    rows = session.scalars(query.limit(limit + 1)).all()
    shown = rows[:limit]
    next_cursor = order.cursor_after(shown[-1]) if shown and len(rows) > limit else None
    return Page(tuple(records(shown)), next_cursor)


def _count_up_to(session: Session, sizes: Select[Any], limit: int, most: int) -> int:
    """Return how many rows, up to `limit`, come to that size; the rows are not read for it."""
    sums = accumulate(session.scalars(sizes.limit(limit)))
    return next((count for count, whole in enumerate(sums, 1) if whole >= most), limit)


def starts_with(key: InstrumentedAttribute[UUID], prefix: str) -> ColumnElement[bool]:
    """Return whether an id begins with these hexadecimal digits: a range, for its index to serve.

    Raises:
        BadSpec: they are none, or more than an id has.
    """
    digits = prefix.replace("-", "").lower()
    if not _DIGITS.fullmatch(digits):
        raise BadSpec(
            f"{prefix[:40]!r} is not how an id begins: give 1 to 32 of its digits 0-9 and a-f"
        )
    return key.between(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f")))
