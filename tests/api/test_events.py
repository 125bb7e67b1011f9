"""Live events: whole, in order, once, from any place on, until the job is over."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from alambique.api.client import Client
from alambique.api.transport import NoServer
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.errors import UnknownName
from alambique.spec.job import Job
from alambique.spec.settings import Settings
from alambique.spec.states import StageName

Serve = Callable[[Settings, int], AbstractContextManager[str]]


@pytest.fixture
def row(database: Database, job: Job) -> JobRow:
    """A job that this test holds."""
    with database.write() as session:
        posted = jobs.submit(session, job)
        taken = jobs.take(session, "test", timedelta(minutes=1), job_id=posted.id)
    assert taken is not None
    return taken


def tell(database: Database, row: JobRow, fraction: float) -> None:
    with database.write() as session:
        jobs.record_progress(session, row.id, row.token, stage=StageName.TEACH, fraction=fraction)


def finish(database: Database, row: JobRow) -> None:
    with database.write() as session:
        jobs.finish(session, row.id, row.token, {"rows": []})


def test_events_come_while_they_happen(client: Client, database: Database, row: JobRow) -> None:
    """Each event is written only after the one before it has come."""
    seen = []
    for event in client.watch(row.id):
        seen.append((event.kind, event.content.get("state") or event.content.get("fraction")))
        match seen[-1]:
            case "state", "running":
                tell(database, row, 0.25)
            case "progress", 0.25:
                tell(database, row, 0.75)
            case "progress", 0.75:
                finish(database, row)
    assert seen == [
        ("state", "queued"),
        ("state", "running"),
        ("progress", 0.25),
        ("progress", 0.75),
        ("state", "succeeded"),
    ]


def test_a_stream_goes_on_after_the_last_event_that_came(
    http: httpx2.Client, database: Database, row: JobRow
) -> None:
    tell(database, row, 0.5)
    with http.sse(f"/v1/jobs/{row.id}/events") as stream:
        assert stream.response.headers["Content-Type"].startswith("text/event-stream")
        first = next(iter(stream))
    finish(database, row)
    with http.sse(f"/v1/jobs/{row.id}/events", headers={"Last-Event-ID": first.id}) as stream:
        rest = list(stream)
    assert [event.event for event in rest] == ["state", "progress", "state"]
    assert int(first.id) < int(rest[0].id) < int(rest[1].id) < int(rest[2].id)
    after_all = {"Last-Event-ID": rest[-1].id}
    with http.sse(f"/v1/jobs/{row.id}/events", headers=after_all) as stream:
        assert list(stream) == []


def test_more_events_than_are_read_at_once(client: Client, database: Database, row: JobRow) -> None:
    with database.write() as session:
        for number in range(520):
            jobs.note(session, row.id, row.token, "log", {"lines": [str(number)]})
    finish(database, row)
    lines = [e.content["lines"] for e in client.watch(row.id) if e.kind == "log"]
    assert lines == [[str(number)] for number in range(520)]


def test_a_stream_of_an_unknown_job_is_refused(client: Client) -> None:
    with pytest.raises(UnknownName):
        next(client.watch(uuid4()))


def test_a_client_takes_the_stream_up_again_after_a_restart(
    settings: Settings, database: Database, row: JobRow, serve: Serve, free_port: int
) -> None:
    with Client(f"http://127.0.0.1:{free_port}", pause=0.05) as client:
        events = client.watch(row.id)
        with serve(settings, free_port):
            kinds = [next(events).kind for _ in range(2)]
        tell(database, row, 0.5)
        with serve(settings, free_port):
            kinds.append(next(events).kind)
            finish(database, row)
            kinds += [event.kind for event in events]
    assert kinds == ["state", "state", "progress", "state"]


def test_a_client_outlasts_any_number_of_tries_in_vain(
    settings: Settings,
    database: Database,
    row: JobRow,
    serve: Serve,
    free_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Client(f"http://127.0.0.1:{free_port}", pause=1e-9) as client:
        events = client.watch(row.id)
        with serve(settings, free_port):
            kinds = [next(events).kind for _ in range(2)]
        tell(database, row, 0.5)
        with ThreadPoolExecutor() as pool:
            with socket.create_server(("127.0.0.1", free_port)) as nobody:
                third = pool.submit(next, events)
                for _ in range(30):
                    nobody.accept()[0].close()
            with serve(settings, free_port):
                kinds.append(third.result(60).kind)
                finish(database, row)
                kinds += [event.kind for event in events]
    assert kinds == ["state", "state", "progress", "state"]
    told = [one.getMessage() for one in caplog.records if one.name == "alambique.api.transport"]
    assert len(told) == 2  # that it is away, and that it is back


def test_a_server_that_never_answered_is_not_waited_for(free_port: int, row: JobRow) -> None:
    with Client(f"http://127.0.0.1:{free_port}") as client:
        with pytest.raises(NoServer):
            next(client.watch(row.id))
        with pytest.raises(NoServer):
            client.outlast(lambda: client.job(row.id))


def test_a_client_gives_up_where_its_patience_ends(
    settings: Settings, row: JobRow, serve: Serve, free_port: int
) -> None:
    with Client(f"http://127.0.0.1:{free_port}", pause=0.01, patience=0.0) as client:
        events = client.watch(row.id)
        with serve(settings, free_port):
            next(events)
        with pytest.raises(NoServer):
            list(events)


def test_a_job_that_is_gone_after_a_restart_is_not_waited_for(
    settings: Settings, row: JobRow, serve: Serve, free_port: int, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"home": tmp_path})
    empty = Database(other.database)
    empty.upgrade()
    empty.dispose()
    with Client(f"http://127.0.0.1:{free_port}", pause=0.01) as client:
        events = client.watch(row.id)
        with serve(settings, free_port):
            next(events)
        with serve(other, free_port), pytest.raises(UnknownName):
            list(events)
