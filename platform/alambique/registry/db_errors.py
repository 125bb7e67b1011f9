"""What an error of the database means: nobody answers, tables are missing, or something else."""

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from alambique.spec.disk import is_disk_full

_SQLITE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN)
"""Codes of SQLite: others hold the file, or it cannot be opened, as on a disk that is away."""
_CLASSES = ("08", "57")
"""Classes of PostgreSQL's codes: no connection, and a server that is stopped or restarted."""
_STATES = ("53300", "40001", "40P01")
"""Too many connections, and transactions that stood in each other's way: both pass."""
_NOT_THERE = ("42P01", "42703")
"""Codes of PostgreSQL: a table and a column that do not exist."""
_NOT_THERE_TEXTS = ("no such table", "no such column", "has no column named")
"""SQLite's words for the same, for which it has no code."""


def is_away(error: BaseException) -> bool:
    """Return whether the same transaction, begun again, may succeed once the database is back."""
    if isinstance(error, PoolTimeout):
        return True
    cause = _cause_of(error)
    kinds = {kind.__name__ for kind in type(cause).__mro__}
    if is_disk_full(error):
        return False
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE  # above are its finer codes
    if not type(cause).__module__.startswith("psycopg"):
        return False
    state: str | None = getattr(cause, "sqlstate", None)
    if state is None:  # it came to no answer of the server's
        return bool(kinds & {"OperationalError", "InterfaceError"})
    return state.startswith(_CLASSES) or state in _STATES


def is_unmigrated(error: BaseException) -> bool:
    """Return whether the database answers, but lacks a table or a column of this program."""
    cause = _cause_of(error)
    if isinstance(cause, sqlite3.OperationalError):
        return any(text in str(cause) for text in _NOT_THERE_TEXTS)
    return getattr(cause, "sqlstate", None) in _NOT_THERE


def database_text(error: BaseException) -> str | None:
    """Return the message on a database that does not answer or is not migrated; else None.

    The error's own text is left out: it may hold parts of a URL with its password.
    """
    if is_away(error):
        return (
            "the database does not answer: try again in a moment, else check that it runs and that "
            "ALAMBIQUE_DATABASE_URL names it"
        )
    if is_unmigrated(error):
        return "the database is not migrated to this program: run `alambique db upgrade`"
    return None


def _cause_of(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error
