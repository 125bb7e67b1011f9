"""Times as the registry keeps them: aware, in UTC, by the database's clock."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An aware time; SQLite, which knows no zones, keeps it as UTC without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time as the driver takes it."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(
                f"a time without a zone: {value}; give it one, as by datetime.now(UTC)"
            )
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


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
    """The time by the database's clock, which all processes share."""
    return session.execute(select(_Now())).scalar_one()
