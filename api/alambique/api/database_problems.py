"""Problems of the SQL database: busy, away, not migrated, or on a disk that is full."""

import logging
import sqlite3

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from alambique.api.problems import full_disk_response, problem_of, problem_response
from alambique.api.views import Problem
from alambique.registry.db_errors import database_text
from alambique.spec.disk import is_disk_full

_SQLITE_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_POSTGRES_HELD = ("40001", "40P01", "53300", "55P03")
"""PostgreSQL's codes for transactions that stood in each other's way, for no connection left, and
for a lock that another holds."""

_log = logging.getLogger(__name__)


def answer_database_errors(app: FastAPI) -> None:
    """Make every error of the database a problem of `app`."""
    app.add_exception_handler(SQLAlchemyError, _database_error)


def busy_database() -> Problem:
    """Return the problem of a request that others who write have kept waiting for too long."""
    return problem_of(
        503,
        "unavailable",
        "the database is busy: others have been writing for as long as a request waits; try again "
        "in a moment (many clients at once want PostgreSQL)",
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
    """Whether the database is there, and others have held what was waited for."""
    if isinstance(error, PoolTimeout):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return (
            getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_LOCKED
        )  # above: the finer codes
    return getattr(cause, "sqlstate", None) in _POSTGRES_HELD
