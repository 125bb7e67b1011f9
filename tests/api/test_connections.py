"""Slow clients and many of them: each step has its deadline, and health is answered in a crowd."""

import json
import logging
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from alambique.api.client import Client
from alambique.api.connections import PIECES, LimitedProtocol, Limits
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.job import Job
from alambique.spec.settings import Settings

Serve = Callable[..., AbstractContextManager[str]]
LONG = 60.0
"""Seconds that no step of a test takes."""
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = (
    b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 5000\r\n\r\n"
)
CANCEL = (
    b"POST /v1/jobs/17/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 5000\r\n\r\n"
)


class Hasty(LimitedProtocol):
    limits = Limits(header=0.4, body=0.4, idle=0.4, stalled=0.4)


class Small(LimitedProtocol):
    limits = Limits(LONG, LONG, LONG, LONG, connections=2, reserve=1)


@pytest.fixture(scope="module")
def hasty(settings: Settings, database: Database, serve: Serve) -> Iterator[str]:
    """The URL of a server that waits for nobody."""
    with serve(settings, 0, Hasty) as url:
        yield url


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return socket.create_connection((parts.hostname, parts.port), timeout=LONG)


def rest(connection: socket.socket) -> bytes:
    """What still comes until the server closes the connection."""
    found = b""
    try:
        while piece := connection.recv(1 << 16):
            found += piece
    except ConnectionResetError:
        pass
    return found


def drip(connection: socket.socket) -> None:
    """A byte each 20 ms, for as long as the server takes it; ten times as long as it should."""
    for _ in range(200):
        try:
            connection.sendall(b"a")
        except ConnectionError:
            return
        if select.select([connection], [], [], 0.02)[0]:
            return
    pytest.fail("each byte put the deadline off")


def problem(answer: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    found: dict[str, Any] = json.loads(body)
    assert int(head.split()[1]) == found["status"]
    return found["status"], found


def test_a_header_has_its_time_in_all(hasty: str) -> None:
    with connect(hasty) as slow:
        slow.sendall(HEAD + b"X: ")
        drip(slow)
        status, found = problem(rest(slow))
    assert (status, found["code"]) == (408, "request_timeout")


def test_a_connection_without_a_request_is_closed(hasty: str) -> None:
    with connect(hasty) as silent:
        assert rest(silent) == b""


def test_a_body_has_its_time_in_all(hasty: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), connect(hasty) as slow:
        slow.sendall(POST)
        drip(slow)
        status, found = problem(rest(slow))
        assert (status, found["code"]) == (408, "request_timeout")
        assert httpx2.get(f"{hasty}/healthz").status_code == 200
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_body_that_nobody_reads_has_no_more_time(hasty: str) -> None:
    with connect(hasty) as slow:
        slow.sendall(CANCEL)
        assert slow.recv(1 << 16).startswith(b"HTTP/1.1 422")
        for _ in range(100):
            try:
                slow.sendall(b"a")
            except ConnectionError:
                break
            if select.select([slow], [], [], 0.02)[0] and not slow.recv(1 << 16):
                break
        else:
            pytest.fail("each byte put the deadline off")


CHUNKED = POST.replace(b"Content-Length: 5000", b"Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nNo name\r\n\r\n",
        CHUNKED + b"no number\r\n",
    ],
    ids=["TLS", "a header", "a body"],
)
def test_what_is_no_http_gets_a_problem(
    url: str, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(url) as foreign:
        foreign.sendall(sent)
        answer = rest(foreign)
    status, found = problem(answer)
    assert (status, found["code"]) == (400, "bad_request")
    assert b"nosniff" in answer
    assert httpx2.get(f"{url}/healthz").status_code == 200
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("more", [0, 1])
def test_a_body_may_come_in_so_many_pieces(url: str, more: int) -> None:
    with connect(url) as client:
        client.sendall(CHUNKED + b"1\r\n[\r\n" * (PIECES + more))
        if not more:
            client.sendall(b"0\r\n\r\n" + HEAD + b"Connection: close\r\n\r\n")
        answer = rest(client)
    if more:
        status, found = problem(answer)
        assert (status, found["code"]) == (413, "too_large")
    else:
        assert answer.startswith(b"HTTP/1.1 422")
        assert answer.count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("later", [b"", HEAD], ids=["silent", "in a later request"])
def test_a_kept_connection_is_not_kept_for_ever(hasty: str, later: bytes) -> None:
    with connect(hasty) as kept:
        kept.sendall(HEAD + b"\r\n")
        assert kept.recv(1 << 16).startswith(b"HTTP/1.1 200")
        if not later:
            assert rest(kept) in (b"", b'{"status":"alive"}')
            return
        kept.sendall(later)
        drip(kept)
        assert b"408" in rest(kept)


def test_who_does_not_read_is_let_go(settings: Settings, serve: Serve) -> None:
    gone = threading.Event()

    class Watched(Hasty):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            gone.set()

    with serve(settings, 0, Watched) as url, connect(url) as deaf:
        # more than the buffers between the two can hold
        deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 400)
        assert gone.wait(60)


def test_an_answer_may_take_any_time(hasty: str, database: Database, job: Job) -> None:
    """A stream goes on while another connection comes to its deadline."""
    with database.write() as session:
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=jobs.submit(session, job).id)
    assert row is not None
    with Client(hasty) as client, connect(hasty) as silent:
        events = client.watch(row.id)
        kinds = [next(events).kind for _ in range(2)]
        for _ in range(3):
            assert rest(silent) == b""
            silent.close()
            silent = connect(hasty)
        with database.write() as session:
            jobs.finish(session, row.id, row.token, {"rows": []})
        kinds += [event.kind for event in events]
        silent.close()
    assert kinds == ["state", "state", "state"]


def test_a_crowd_is_refused_and_health_is_not(
    settings: Settings, database: Database, serve: Serve, job: Job
) -> None:
    lines: list[Iterator[str]] = []
    with database.write() as session:
        row = jobs.submit(session, job)
    with serve(settings, 0, Small) as url, ExitStack() as streams:
        for _ in range(2):
            http = streams.enter_context(httpx2.Client(base_url=url, timeout=LONG))
            stream = streams.enter_context(http.stream("GET", f"/v1/jobs/{row.id}/events"))
            lines.append(stream.iter_lines())  # kept: a stream that nobody holds is closed
            next(lines[-1])
        refused = httpx2.get(f"{url}/v1/tasks")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["Retry-After"]
        with httpx2.Client(base_url=url) as probe:
            assert probe.get("/healthz").json() == {"status": "alive"}
            assert probe.get("/readyz").json() == {"status": "ready"}
            with connect(url) as one_too_many:
                assert rest(one_too_many) == b""
        streams.close()
        for _ in range(1000):
            if httpx2.get(f"{url}/v1/tasks").status_code == 200:
                return
    pytest.fail("nobody is answered once the crowd has gone")
