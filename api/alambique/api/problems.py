"""Problems as RFC 9457 has them: every answer that is no success, with a code that is stable."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from alambique.api.views import FieldProblem, Problem
from alambique.spec.disk import disk_full_text, is_disk_full
from alambique.spec.errors import AlambiqueError, NotEnoughDisk
from alambique.spec.excerpts import excerpt, short
from alambique.spec.field_errors import BadField, BadFields, error_text

MEDIA_TYPE = "application/problem+json"

PROTECTION = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of every answer: no browser guesses its type, or loads it into a page of another site,
which could learn from a failed load of an image or a script what exists here."""

_STATUS = {
    "bad_spec": 422,
    "no_data": 422,
    "bad_data": 422,
    "bad_teacher": 422,
    "label_mismatch": 422,
    "bad_model": 422,
    "bad_licence": 422,
    "unknown_name": 404,
    "conflict": 409,
    "deleted": 410,
    "stale": 412,
    "missing_extra": 501,
    "unavailable": 503,
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

_RETRY_LATER = {"Retry-After": "5"}
"""The headers of a problem that is likely to be short."""

_EXCERPT = 200
"""Characters of a parameter's name, and of the message on it."""

_DETAIL_LENGTH = 32_000
"""Characters of the longest detail, which has all fields that are named with their messages."""

_log = logging.getLogger(__name__)


class Refusal(Exception):
    """Ends a request, with the problem to answer."""

    def __init__(self, problem: Problem) -> None:
        """Make the exception that answers `problem`."""
        super().__init__(problem.detail)
        self.problem = problem


def problem_of(status: int, code: str, detail: str, fields: Sequence[BadField] = ()) -> Problem:
    """Return the problem with a detail and, for each of `fields`, what is wrong with it."""
    errors = [FieldProblem(path=f.path, found=f.found, message=f.message) for f in fields]
    detail = excerpt(detail, _DETAIL_LENGTH)
    title = HTTPStatus(status).phrase
    return Problem(title=title, status=status, detail=detail, code=code, errors=errors or None)


def bad_fields(code: str, fields: Sequence[BadField]) -> Problem:
    """Return the problem of bad fields, each on a line of its detail."""
    bad = BadFields(fields)
    return problem_of(422, code, bad.text, bad.fields)


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the answer of a problem, with `headers` added to those of every problem."""
    content = problem.model_dump(mode="json", exclude_none=True)
    later = _RETRY_LATER if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    # here too, since middleware answers some problems outside of `ProtectionHeaders`
    headers = {**PROTECTION, **later, **(headers or {})}
    return JSONResponse(content, problem.status, headers, MEDIA_TYPE)


def answer_with_problems(app: FastAPI) -> None:
    """Have `app` answer every error, its own or the framework's, with a problem."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(AlambiqueError, _alambique_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(ClientDisconnect, _client_disconnect)
    app.add_exception_handler(Exception, _unexpected_error)


async def _refusal(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return problem_response(error.problem)


async def _alambique_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AlambiqueError)
    status = _STATUS.get(error.code, 500)
    return problem_response(problem_of(status, error.code, str(error), error.fields))


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = [_bad_field(line) for line in error.errors()]
    return problem_response(bad_fields(_CODE[422], fields))


def _bad_field(line: ErrorDetails) -> BadField:
    inside_body = line["loc"][0] == "body" and isinstance(line["loc"][-1], str)
    parts = line["loc"][1:] if inside_body and len(line["loc"]) > 1 else line["loc"]
    path = excerpt(".".join(map(str, parts)), _EXCERPT)
    found = None if line["type"] in ("missing", "json_invalid") else short(line.get("input"))
    return BadField(path, found, excerpt(error_text(line), _EXCERPT))


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODE.get(error.status_code, f"http_{error.status_code}")
    headers = dict(error.headers) if error.headers else {}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed_methods(request)  # the framework's is that of one route
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    detail = _detail(request, error, headers)
    return problem_response(problem_of(error.status_code, code, detail), headers)


def _allowed_methods(request: Request) -> str:
    """Return the methods that the path of a request takes, for the header Allow."""
    taken = []
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            taken.append(method)
    return ", ".join([*taken, *(["HEAD"] if "GET" in taken else []), "OPTIONS"])


async def _client_disconnect(_: Request, error: Exception) -> JSONResponse:
    # nobody reads this: it keeps the tracebacks of broken connections out of the log
    return problem_response(problem_of(400, _CODE[400], "the body broke off: send it again"))


def _detail(request: Request, error: HTTPException, headers: dict[str, str]) -> str:
    path = request.url.path[:200]
    match error.status_code:
        case 404:
            return f"there is no {path} here: take one of the paths that /openapi.json lists"
        case 405:
            return f"{path} takes {headers['Allow']}, found {request.method}: see /openapi.json"
        case _:
            return f"{request.method} {path}: {error.detail}"


def full_disk_response(error: Exception) -> JSONResponse:
    """Log the error of a full disk, and return its problem as the answer."""
    _log.error("a disk is full", exc_info=error)
    # the detail names no path of the server
    return problem_response(problem_of(507, NotEnoughDisk.code, disk_full_text()))


async def _unexpected_error(_: Request, error: Exception) -> JSONResponse:
    # Starlette raises the error again once this is sent, and the server logs it
    if is_disk_full(error):
        return full_disk_response(error)
    detail = (
        "the server failed, which is no fault of the request: send it again; if it fails again, "
        "whoever runs the server finds the error in its log"
    )
    return problem_response(problem_of(500, "internal", detail))
