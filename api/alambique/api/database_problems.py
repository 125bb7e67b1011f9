"""Problems of the SQL database: busy, not answering, not migrated, or on a full disk."""

import logging
import sqlite3

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from alambique.api.problems import full_disk_response, problem_of, problem_response
from alambique.api.views import Problem
from alambique.registry.database import BUSY_SECONDS
from alambique.registry.db_errors import database_text
from alambique.spec.disk import is_disk_full

_SQLITE_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_POSTGRES_HELD = ("40001", "40P01", "53300", "55P03")
"""PostgreSQL's codes of serialization failures and deadlocks, of too many connections, and of a
lock that is not available."""

_log = logging.getLogger(__name__)


def answer_database_errors(app: FastAPI) -> None:
    """Make every error of the database a problem of `app`."""
    app.add_exception_handler(SQLAlchemyError, _database_error)


def busy_database() -> Problem:
    """Return the problem of a request that waited too long for its turn to write."""
    return problem_of(
        503,
        "unavailable",
        f"the database is busy: others have been writing for the {BUSY_SECONDS:g} s that a request "
        "waits; try again in a moment, and for many clients at once have the server use PostgreSQL "
        "(ALAMBIQUE_DATABASE_URL)",
    )


async def _database_error(_: Request, error: Exception) -> JSONResponse:
    if is_disk_full(error):
        return full_disk_response(error)
    if _is_busy(error):
        _log.error("the database is busy", exc_info=error)
        return problem_response(busy_database())
    detail = database_text(error)
    if detail is None:
        raise error
    _log.error(detail, exc_info=error)
    return problem_response(problem_of(503, "unavailable", detail))


def _is_busy(error: Exception) -> bool:
    """Return whether others held a lock or all connections for as long as a request waits."""
    if isinstance(error, PoolTimeout):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return (
            getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_LOCKED
        )  # above: the finer codes
    return getattr(cause, "sqlstate", None) in _POSTGRES_HELD
