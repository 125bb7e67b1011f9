"""What an error of the database means: that nobody answers for now, or something else."""

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from alambique.spec.disk import is_disk_full

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_CLASSES = ("08", "57")
"""Of PostgreSQL's codes: no connection, and an operator who stops or restarts the server."""
_STATES = ("53300", "40001", "40P01")
"""Too many connections, and transactions that stood in each other's way: both pass."""


def is_away(error: BaseException) -> bool:
    """Return whether the same transaction, begun again, may succeed once the database is back."""
    if isinstance(error, PoolTimeout):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    kinds = {kind.__name__ for kind in type(cause).__mro__}
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _BUSY  # above are its finer codes
    if not type(cause).__module__.startswith("psycopg") or is_disk_full(error):
        return False
    state: str | None = getattr(cause, "sqlstate", None)
    if state is None:  # it came to no answer of the server's
        return bool(kinds & {"OperationalError", "InterfaceError"})
    return state.startswith(_CLASSES) or state in _STATES
