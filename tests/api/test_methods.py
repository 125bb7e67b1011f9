"""HEAD, OPTIONS and methods that a path does not take; the headers that every answer has."""

from datetime import timedelta

import httpx2
import pytest

from alambique.api.app import BODY_LIMIT
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.job import Job

NOBODY = "00000000-0000-7000-8000-000000000000"
"""The id of no job."""
ALLOWED = {
    "/v1/jobs": "GET, POST, HEAD, OPTIONS",
    f"/v1/jobs/{NOBODY}": "GET, HEAD, OPTIONS",
    f"/v1/jobs/{NOBODY}/cancel": "POST, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
    "/readyz": "GET, HEAD, OPTIONS",
}
"""By their path, the methods that it takes."""


@pytest.mark.parametrize(
    "path", ["/healthz", "/v1/tasks", "/openapi.json", f"/v1/jobs/{NOBODY}", "/v1/jobs?limit=0"]
)
def test_head_has_the_header_of_get(http: httpx2.Client, path: str) -> None:
    for _ in range(2):  # on one connection: nothing of a body is left on it
        head, get = http.head(path), http.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        header, whole = dict(head.headers), dict(get.headers)
        del header["date"], whole["date"]
        assert header == whole


def test_head_of_a_stream_ends_though_the_stream_goes_on(
    http: httpx2.Client, database: Database, job: Job
) -> None:
    with database.write() as session:
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=jobs.submit(session, job).id)
    assert row is not None
    head = http.head(f"/v1/jobs/{row.id}/events", headers={"Last-Event-ID": "999999999"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"].startswith("text/event-stream")
    assert http.get("/healthz").status_code == 200


def test_head_changes_nothing(http: httpx2.Client) -> None:
    assert http.head(f"/v1/jobs/{NOBODY}/cancel").status_code == 405


@pytest.mark.parametrize("path", ALLOWED)
def test_the_methods_of_a_path_are_told_whole(http: httpx2.Client, path: str) -> None:
    options = http.options(path)
    assert (options.status_code, options.content) == (204, b"")
    refused = http.request("DELETE", path)
    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    assert options.headers["Allow"] == refused.headers["Allow"] == ALLOWED[path]
    asked = {"Origin": "http://elsewhere.example", "Access-Control-Request-Method": "POST"}
    assert not [
        name
        for name in http.options(path, headers=asked).headers
        if name.lower().startswith("access-control")
    ]


def test_what_is_not_there_has_no_methods(http: httpx2.Client) -> None:
    assert http.options("/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/healthz", {}, None, 200),
        ("HEAD", "/healthz", {}, None, 200),
        ("OPTIONS", "/v1/jobs", {}, None, 204),
        ("GET", "/nowhere", {}, None, 404),
        ("GET", "/healthz", {"Host": "elsewhere.example"}, None, 421),
        ("POST", "/v1/jobs", {"Content-Type": "text/plain"}, b"", 415),
        ("POST", "/v1/jobs", {"Content-Type": "application/json"}, b" " * (BODY_LIMIT + 1), 413),
    ],
)
def test_every_answer_is_kept_from_other_sites(
    http: httpx2.Client,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None,
    status: int,
) -> None:
    answer = http.request(method, path, headers=headers, content=body)
    assert answer.status_code == status
    assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
    assert answer.headers.get_list("Cross-Origin-Resource-Policy") == ["same-origin"]
