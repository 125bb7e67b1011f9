"""What SQLite and PostgreSQL have each in its own way: times, text, upserts, numbers, the clock."""

import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An aware time; SQLite, which knows no zones, keeps it as UTC without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as the driver takes it."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(
                f"a time without a zone: {value}; give it one, as by datetime.now(UTC)"
            )
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class AnyText(TypeDecorator[str]):
    """Text of any origin: what PostgreSQL refuses is replaced, also in what is looked for."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text as both databases take it."""
        return storable(value)


def storable(text: str | None) -> str | None:
    r"""Return the text without NUL, and without halves of surrogate pairs.

    Python has such halves in the names of files that are not UTF-8.

    >>> storable("a\0b\udcff") == "a\ufffdb?"
    True
    """
    if text is None:
        return None
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def insert(session: Session, table: type[DeclarativeBase]) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that knows `ON CONFLICT`, which each dialect has as its own."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def insert_if_new(session: Session, table: type[DeclarativeBase], **values: Any) -> bool:
    """Insert a row unless its key is there, and return whether it was not.

    It waits for another transaction that inserts the same row.
    """
    statement = insert(session, table).values(**values).on_conflict_do_nothing()
    return session.execute(statement.returning(*table.__table__.primary_key)).first() is not None


def finite(value: float | None) -> float | None:
    """Return the number; None if it is NaN or infinite, for which JSON has no word."""
    return value if value is not None and math.isfinite(value) else None


class _Now(FunctionElement[datetime]):
    type = UtcTime()
    inherit_cache = True


@compiles(_Now, "postgresql")
def _now_of_postgresql(element: _Now, compiler: SQLCompiler, **options: Any) -> str:
    return "clock_timestamp()"  # now() would stand still while a transaction waits for a lock


@compiles(_Now, "sqlite")
def _now_of_sqlite(element: _Now, compiler: SQLCompiler, **options: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"  # milliseconds, written as SQLAlchemy does


def now(session: Session) -> datetime:
    """Return the time by the database's clock, the only one that the registry goes by, in UTC."""
    return session.execute(select(_Now())).scalar_one()
