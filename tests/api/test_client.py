"""What the client says where there is no server of ours."""

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from alambique.api.client import Client
from alambique.api.transport import NoAnswer, NoServer
from alambique.spec.errors import AlambiqueError, BadSpec, UnknownName
from alambique.spec.job import Job

Answered = Callable[[str], tuple[int, bytes, dict[str, str]]]


def test_a_server_that_is_not_there_is_named(free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    with Client(url) as client, pytest.raises(NoServer, match="alambique up") as raised:
        client.tasks()
    assert url in str(raised.value)


def test_the_password_of_a_proxy_is_in_no_message(
    free_port: int, serving: Callable[[Answered], str]
) -> None:
    elsewhere = serving(lambda path: (404, b"", {})).partition("://")[2]
    for host in (f"127.0.0.1:{free_port}", elsewhere):
        with Client(f"http://me:hunter2@{host}") as client, pytest.raises(NoServer) as raised:
            client.tasks()
        assert f"http://{host}" in str(raised.value)
        assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["not a url", "ftp://somewhere", "http://"])
def test_a_text_that_is_no_url_names_no_server(url: str) -> None:
    with pytest.raises(NoServer), Client(url) as client:
        client.tasks()


@pytest.mark.parametrize("key", ["ñandú", "", "a" * 201, "two\nlines"])
def test_a_key_that_no_header_takes_is_refused(client: Client, job: Job, key: str) -> None:
    with pytest.raises(BadSpec, match="as a key of a submission"):
        client.submit(job, key=key)
    assert client.jobs(project=job.project).items == []


@pytest.mark.parametrize("token", ["ñandú", "two\nlines"])
def test_a_token_that_no_header_takes_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(BadSpec, match="ALAMBIQUE_TOKEN") as raised:
        Client("http://127.0.0.1:8400", token)
    assert token not in str(raised.value)


@pytest.mark.parametrize("name", ["a/b", "../jobs", "a?b", "a#b", "ñ"])
def test_a_name_stays_a_name(client: Client, name: str) -> None:
    with pytest.raises(AlambiqueError, match=re.escape(name)):
        client.model(name)


class SomebodyElse(BaseHTTPRequestHandler):
    """A server of another kind; of one path it says what ours says while its database is away."""

    def do_GET(self) -> None:
        away = self.path == "/v1/tasks" and "problem" in self.headers.get("Authorization", "")
        self.send_response(503 if away else 404)
        if away:
            self.send_header("Content-Type", "application/problem+json")
        self.end_headers()
        if away:
            self.wfile.write(b'{"code": "unavailable", "detail": "the database does not answer"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name there)
        pass


@pytest.fixture
def other_server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), SomebodyElse) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_another_kind_of_server_is_no_server(other_server: str) -> None:
    with Client(other_server) as client, pytest.raises(NoServer, match="ALAMBIQUE_URL"):
        client.tasks()


def test_a_server_without_its_database_has_no_answer(other_server: str) -> None:
    with (
        Client(other_server, "problem") as client,
        pytest.raises(NoAnswer, match="the database does not answer"),
    ):
        client.tasks()


def test_problems_come_as_their_kinds(client: Client) -> None:
    with pytest.raises(BadSpec) as raised:
        client.submit("taskk: x")
    assert "taskk" in [field.path for field in raised.value.fields]
    with pytest.raises(UnknownName, match="none"):
        client.model("none")


def test_a_mapping_is_submitted_as_it_is(client: Client, job: Job) -> None:
    said = job.model_dump(mode="json", exclude_unset=True)
    assert client.submit(said).spec == client.submit(job).spec
    assert client.plan(said) == client.plan(job)


def test_what_is_wrong_with_a_mapping_is_told_by_field(client: Client, job: Job) -> None:
    said = job.model_dump(mode="json", exclude_unset=True)
    with pytest.raises(BadSpec) as raised:
        client.submit({**said, "student": {"layerz": 1}})
    paths = [field.path for field in raised.value.fields]
    assert paths == ["student.layers", "student.layerz"]
    for strange in ({"task": object()}, {"priority": float("nan")}):
        with pytest.raises(BadSpec, match="as JSON"):
            client.submit(said | strange)
    assert client.jobs(project=job.project).items == []
