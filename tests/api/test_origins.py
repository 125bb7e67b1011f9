"""Whom the server answers: requests by its own names, and no page of another site."""

import json
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from alambique.api.app import create_app
from alambique.api.client import Client
from alambique.api.origins import RequestHead, origin_problem
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.hosts import Host
from alambique.spec.job import Job
from alambique.spec.settings import Settings
from alambique.spec.states import State

KNOWN = (Host("127.0.0.1"), Host("[::1]"), Host("distil.example"), Host("apart.example", 8443))
TLS = (Host("distil.example", 443),)
AS_JSON = {"Content-Type": "application/json"}
FORM = "application/x-www-form-urlencoded"


def code(sent: RequestHead, known: tuple[Host, ...] = KNOWN) -> tuple[int, str] | None:
    problem = origin_problem(sent, known)
    return (problem.status, problem.code) if problem else None


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:9000", True),
        ("[::1]:8400", True),
        ("[0:0::1]", True),
        ("distil.example", True),
        ("Distil.Example.:8443", True),
        ("apart.example:8443", True),
        ("apart.example", False),
        ("apart.example:443", False),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example@127.0.0.1", False),
        ("distil.example, evil.example", False),
        ("", False),
        (None, False),
    ],
)
def test_only_known_names_are_answered(method: str, host: str | None, known: bool) -> None:
    assert code(RequestHead(method, host)) == (None if known else (421, "unknown_host"))


def test_a_name_with_a_default_port_is_asked_for_without_it() -> None:
    assert code(RequestHead("GET", "distil.example"), TLS) is None
    assert code(RequestHead("GET", "distil.example:443"), TLS) is None
    assert code(RequestHead("GET", "distil.example:8443"), TLS) == (421, "unknown_host")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("host", "origin", "own"),
    [
        ("127.0.0.1:8400", "http://127.0.0.1:8400", True),
        ("127.0.0.1:8400", "https://127.0.0.1:8400", True),
        ("[::1]:8400", "http://[::1]:8400", True),
        ("distil.example", "https://distil.example", True),
        ("distil.example", "http://distil.example", True),
        ("distil.example:443", "https://distil.example", True),
        ("distil.example", "https://distil.example:443", True),
        ("distil.example", "https://distil.example:8443", False),
        ("distil.example:80", "https://distil.example", False),
        ("127.0.0.1:8400", "http://127.0.0.1:8401", False),
        ("127.0.0.1:8400", "http://127.0.0.1", False),
        ("127.0.0.1:8400", "http://localhost:8400", False),
        ("127.0.0.1:8400", "http://evil.example", False),
        ("127.0.0.1:8400", "http://distil.example", False),
        ("127.0.0.1:8400", "http://127.0.0.1:8400, http://evil.example", False),
        ("127.0.0.1:8400", "file://127.0.0.1:8400", False),
        ("127.0.0.1:8400", "127.0.0.1:8400", False),
        ("127.0.0.1:8400", "null", False),
        ("127.0.0.1:8400", "", False),
    ],
)
def test_a_page_changes_only_what_is_of_its_own_site(
    method: str, host: str, origin: str, own: bool
) -> None:
    assert code(RequestHead(method, host, origin)) == (None if own else (403, "foreign_origin"))


def test_what_a_browser_says_of_the_site_counts_where_it_names_no_origin() -> None:
    expected = {None: None, "none": None, "same-origin": None, "same-site": 403, "cross-site": 403}
    for site, status in expected.items():
        found = code(RequestHead("POST", "127.0.0.1", site=site))
        assert found == (status and (status, "foreign_origin")), site
        assert code(RequestHead("GET", "127.0.0.1", site=site)) is None


def test_the_header_that_names_another_site_is_told() -> None:
    told = {"Sec-Fetch-Site 'same-site'": RequestHead("POST", "127.0.0.1", site="same-site")}
    told["Origin 'null'"] = RequestHead("POST", "127.0.0.1", "null", "cross-site")
    for header, sent in told.items():
        problem = origin_problem(sent, [Host("127.0.0.1")])
        assert problem is not None
        assert header in problem.detail


@pytest.mark.parametrize("has_body", [True, False])
@pytest.mark.parametrize(
    ("content_type", "taken"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/yaml", True),
        ("text/x-yaml", True),
        (FORM, False),
        ("multipart/form-data; boundary=x", False),
        ("text/plain", False),
        ("application/json, text/plain", False),
    ],
)
def test_what_a_form_can_send_is_refused(content_type: str, taken: bool, has_body: bool) -> None:
    found = code(RequestHead("POST", "127.0.0.1", content_type=content_type, has_body=has_body))
    assert found == (None if taken else (415, "unsupported_media_type"))


def test_a_body_says_what_it_is() -> None:
    assert code(RequestHead("POST", "127.0.0.1")) is None
    assert code(RequestHead("POST", "127.0.0.1", has_body=True)) == (415, "unsupported_media_type")
    assert code(RequestHead("GET", "127.0.0.1", has_body=True)) is None


# over HTTP, with rows that stay as they are


def answered(answer: httpx2.Response) -> tuple[int, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_a_job_without_a_type_is_not_read(
    http: httpx2.Client, database: Database, job: Job
) -> None:
    answer = http.post("/v1/jobs", content=job.model_dump_json())
    assert answered(answer) == (415, "unsupported_media_type")
    assert "application/json" in answer.json()["detail"]
    assert answered(http.post("/v1/jobs")) == (415, "unsupported_media_type")
    with database.read() as session:
        assert jobs.page(session, project=job.project).items == ()


@pytest.mark.parametrize("action", ["cancel", "kill"])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content-Type": FORM}, (415, "unsupported_media_type")),
        ({"Origin": "http://evil.example"}, (403, "foreign_origin")),
        ({"Origin": "null"}, (403, "foreign_origin")),
        ({"Sec-Fetch-Site": "cross-site"}, (403, "foreign_origin")),
        ({"Host": "evil.example"}, (421, "unknown_host")),
    ],
)
def test_no_page_ends_a_job(
    http: httpx2.Client,
    client: Client,
    job: Job,
    action: str,
    headers: dict[str, str],
    expected: tuple[int, str],
) -> None:
    posted = client.submit(job)
    answer = http.post(f"/v1/jobs/{posted.id}/{action}", headers=headers)
    assert answered(answer) == expected
    assert client.job(posted.id).state is State.QUEUED
    own = {"Origin": str(http.base_url).rstrip("/")}
    assert http.post(f"/v1/jobs/{posted.id}/{action}", headers=own).json()["state"] == "cancelled"


def test_no_page_posts_a_job(http: httpx2.Client, database: Database, job: Job) -> None:
    sent = job.model_dump(mode="json")
    answer = http.post("/v1/jobs", json=sent, headers={"Origin": "http://evil.example"})
    assert answered(answer) == (403, "foreign_origin")
    with database.read() as session:
        assert jobs.page(session, project=job.project).items == ()


def test_the_settings_name_the_server(settings: Settings) -> None:
    """Also the address that a connection comes in at is its own, of which no page has a say."""
    named = settings.model_copy(update={"hosts": ("distil.example",)})
    app = create_app(named, host="10.0.0.7")
    with TestClient(app, base_url="http://192.0.2.1:8400") as client:
        for host in ("distil.example", "10.0.0.7:8400", "localhost:8400", "192.0.2.1:8400"):
            assert client.get("/healthz", headers={"Host": host}).status_code == 200
        unknown = client.get("/healthz", headers={"Host": "evil.example"})
    assert answered(unknown) == (421, "unknown_host")
    assert "ALAMBIQUE_HOSTS" in unknown.json()["detail"]


def test_no_answer_points_to_the_host_of_its_request(http: httpx2.Client, job: Job) -> None:
    described = http.get("/openapi.json").json()
    for path in described["paths"]:
        answer = http.get(path + "/", follow_redirects=False)
        assert "Location" not in answer.headers, path
    posted = http.post("/v1/jobs", content=job.model_dump_json(), headers=AS_JSON)
    assert posted.headers["Location"] == f"/v1/jobs/{posted.json()['id']}"


def test_the_description_names_the_types_that_are_taken(http: httpx2.Client) -> None:
    described = json.loads(http.get("/openapi.json").content)
    for path in ("/v1/jobs", "/v1/suites"):
        posted = described["paths"][path]["post"]["requestBody"]
        assert (posted["required"], set(posted["content"])) == (
            True,
            {"application/json", "application/yaml"},
        )
