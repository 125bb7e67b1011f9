"""The database's clock: the only one that the registry goes by."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from alambique.registry.columns import UtcTime


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
    """The time by the database's clock, aware and in UTC."""
    return session.execute(select(_Now())).scalar_one()
