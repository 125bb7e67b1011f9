"""Statements and numbers that SQLite and PostgreSQL take alike."""

import math
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from alambique.registry.tables import Table


def insert(session: Session, table: type[Table]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows `ON CONFLICT`, which each dialect has as its own."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def insert_if_new(session: Session, table: type[Table], **values: Any) -> bool:
    """Whether the row was new. Waits for another transaction that inserts the same one."""
    statement = insert(session, table).values(**values).on_conflict_do_nothing()
    return session.execute(statement.returning(*table.__table__.primary_key)).first() is not None


def finite(value: float | None) -> float | None:
    """The number, None where it is NaN or infinite: JSON has no word for those."""
    return value if value is not None and math.isfinite(value) else None
