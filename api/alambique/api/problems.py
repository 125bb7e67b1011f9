"""RFC 9457: every answer that is no success is a problem, with a code that never changes."""

import logging
import sqlite3
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alambique.api.methods import allowed_methods
from alambique.api.protection import PROTECTION
from alambique.api.views import FieldProblem, Problem
from alambique.registry.db_errors import database_text
from alambique.spec.disk import disk_full_text, is_disk_full
from alambique.spec.errors import AlambiqueError, NotEnoughDisk
from alambique.spec.excerpts import excerpt, short
from alambique.spec.field_errors import BadField, BadFields

MEDIA_TYPE = "application/problem+json"

_STATUS = {
    "bad_spec": 422,
    "no_data": 422,
    "bad_data": 422,
    "bad_teacher": 422,
    "label_mismatch": 422,
    "bad_model": 422,
    "unknown_name": 404,
    "conflict": 409,
    "unreachable": 503,
    "not_enough_disk": 507,
}
_CODE = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "too_large",
    415: "unsupported_media_type",
    422: "bad_request",
}

_LATER = {"Retry-After": "5"}
"""Of what may be otherwise in a moment."""

_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_HELD = ("40001", "40P01", "53300", "55P03")
"""Of PostgreSQL's codes: transactions that stood in each other's way, no connection left, a lock
that another holds."""

_TOLD = 200
"""Characters of a parameter's name, and of what is said of it."""

_DETAIL = 32_000
"""Characters of what a problem tells: as many fields as are named, each with much to be said."""

_log = logging.getLogger(__name__)


class Refusal(Exception):
    """A request that ends here, with the problem to answer."""

    def __init__(self, problem: Problem) -> None:
        """With the problem that is answered."""
        super().__init__(problem.detail)
        self.problem = problem


def refusal(status: int, code: str, detail: str, fields: Sequence[BadField] = ()) -> Refusal:
    """What to raise so that the client is told `detail`, and about each of `fields`."""
    return Refusal(_problem(status, code, detail, fields))


def refusal_of_fields(code: str, fields: Sequence[BadField]) -> Refusal:
    """Return what to raise where these fields cannot stay as they are, each on a line."""
    bad = BadFields(fields)
    return refusal(422, code, bad.text, bad.fields)


def busy() -> Refusal:
    """Return what to raise where others that write have kept a request waiting for too long."""
    return refusal(
        503,
        "unavailable",
        "the database is busy: others have been writing for as long as a request waits; try again "
        "in a moment (many clients at once want PostgreSQL)",
    )


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the answer that tells the problem, for what stands around the routes."""
    return _response(problem, headers)


def answer_with_problems(app: FastAPI) -> None:
    """Make every error of `app`, its own or the framework's, a problem."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(AlambiqueError, _known)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(SQLAlchemyError, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


class BodyLimitProblem:
    """Rewrites the plain 413 of Starlette's body limit, which passes by every handler."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """Around an app that has that limit, in bytes."""
        self.app = app
        self.detail = f"the body is larger than the {limit:,} bytes that this server takes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but a 413, which is sent as a problem."""
        rewritten = False

        async def send_on(message: Message) -> None:
            nonlocal rewritten
            if message["type"] == "http.response.start" and message["status"] == 413:
                rewritten = True
                response = _response(_problem(413, _CODE[413], self.detail))
                await response(scope, receive, send)
            elif not rewritten:
                await send(message)

        await self.app(scope, receive, send_on)


def _problem(status: int, code: str, detail: str, fields: Sequence[BadField] = ()) -> Problem:
    errors = [FieldProblem(path=f.path, found=f.found, message=f.message) for f in fields]
    detail = excerpt(detail, _DETAIL)
    title = HTTPStatus(status).phrase
    return Problem(title=title, status=status, detail=detail, code=code, errors=errors or None)


def _response(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    content = problem.model_dump(mode="json", exclude_none=True)
    later = _LATER if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    # protection here too: not all problems pass by what stands around the app
    return JSONResponse(content, problem.status, PROTECTION | later | (headers or {}), MEDIA_TYPE)


async def _refusal(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return _response(error.problem)


async def _known(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AlambiqueError)
    status = _STATUS.get(error.code, 500)
    return _response(_problem(status, error.code, str(error), error.fields))


async def _bad_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = [_bad_field(line) for line in error.errors()]
    return _response(refusal_of_fields(_CODE[422], fields).problem)


def _bad_field(line: dict[str, Any]) -> BadField:
    path = excerpt(".".join(map(str, line["loc"])), _TOLD)
    return BadField(path, short(line.get("input")), excerpt(line["msg"], _TOLD))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODE.get(error.status_code, f"http_{error.status_code}")
    headers = dict(error.headers) if error.headers else {}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = allowed_methods(request)  # the framework's is that of one route
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    return _response(_problem(error.status_code, code, _detail(request, error, headers)), headers)


async def _gone(_: Request, error: Exception) -> JSONResponse:
    # nobody reads this; without it every client that breaks off would leave a traceback in the log
    return _response(_problem(400, _CODE[400], "the body broke off"))


def _detail(request: Request, error: HTTPException, headers: dict[str, str]) -> str:
    path = request.url.path[:200]
    match error.status_code:
        case 404:
            return f"there is no {path} here: /openapi.json lists all there is"
        case 405:
            return f"{path} takes {headers['Allow']}, not {request.method}: see /openapi.json"
        case _:
            return f"{request.method} {path}: {error.detail}"


async def _unavailable(_: Request, error: Exception) -> JSONResponse:
    if is_disk_full(error):
        return _full(error)
    if _is_busy(error):
        _log.error("the database is busy", exc_info=error)
        return _response(busy().problem)
    detail = database_text(error)
    if detail is None:
        raise error
    _log.error(detail, exc_info=error)
    return _response(_problem(503, "unavailable", detail))


def _is_busy(error: Exception) -> bool:
    """Whether the database is there, and others have held what was waited for."""
    if isinstance(error, PoolTimeout):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _LOCKED  # above: the finer codes
    return getattr(cause, "sqlstate", None) in _HELD


def _full(error: Exception) -> JSONResponse:
    _log.error("a disk is full", exc_info=error)
    # a path of the server's stays unsaid
    return _response(_problem(507, NotEnoughDisk.code, disk_full_text()))


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    # Starlette raises the error again once this is sent, and the server logs it
    if is_disk_full(error):
        return _full(error)
    detail = "the server met an error of its own: its log tells more"
    return _response(_problem(500, "internal", detail))
