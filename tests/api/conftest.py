"""A real server for the whole session, on SQLite; each test has a project of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import uvicorn

from alambique.api.app import create_app
from alambique.api.client import Client
from alambique.api.connections import LimitedProtocol
from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Version
from alambique.spec.job import Job
from alambique.spec.reading import job_of
from alambique.spec.settings import Settings

ARCHITECTURE = {"architecture": "bert", "layers": 2, "width": 32, "heads": 2, "ffn": 64}
Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of the session's server, which has the data set conll2002 at hand: two words of it."""
    data = tmp_path_factory.mktemp("data")
    (data / "conll2002").mkdir()
    (data / "squad-es").mkdir()
    for split in ("train", "dev", "test"):
        (data / "conll2002" / f"{split}.conll").write_text(f"{split} B-PER\nGarcía I-PER\n")
    return Settings(home=tmp_path_factory.mktemp("home"), data=data)


@pytest.fixture(scope="session")
def database(settings: Settings) -> Iterator[Database]:
    """The session's database: tests move jobs in it as workers do."""
    database = Database(settings.database)
    database.upgrade()
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Starts a server in a thread; port 0 takes a free one; with connections of that kind."""
    return _served


@contextmanager
def _served(
    settings: Settings, port: int = 0, protocol: type[LimitedProtocol] = LimitedProtocol
) -> Iterator[str]:
    stop = threading.Event()
    app = create_app(settings, stop=stop)
    config = uvicorn.Config(app, port=port, http=protocol, log_level="critical", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive(), "the server did not start"
        found = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{found}"
    finally:
        stop.set()
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def url(settings: Settings, database: Database, serve: Serve) -> Iterator[str]:
    """Of the session's server."""
    with serve(settings, 0) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, pause=0.05) as client:
        yield client


@pytest.fixture
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as http:
        yield http


@pytest.fixture
def project() -> str:
    """A project that no other test has."""
    return f"p-{uuid4().hex[:12]}"


@pytest.fixture
def job(project: str) -> Job:
    return job_of(
        {
            "name": "tiny",
            "project": project,
            "task": "named-entities",
            "data": "sample-entities",
            "teacher": {"model": ARCHITECTURE, "train": {"epochs": 1}},
            "student": {"layers": 1},
        }
    )


@pytest.fixture
def artifacts(settings: Settings) -> Path:
    """The artifacts' root."""
    return Path(settings.artifact_root)


@pytest.fixture
def register(database: Database) -> Callable[..., tuple[JobRow, Version]]:
    """Registers a version of the model `tiny`, made by a job that is posted for it and held."""

    def made(job: Job, **said: Any) -> tuple[JobRow, Version]:
        fields: dict[str, Any] = {
            "name": "tiny",
            "role": "student",
            "task": job.task,
            "labels": ("O", "B-PER"),
            "parameters": 1234,
            "macs_linear": 5000,
            "macs_full": 6000,
            "weights": "0" * 64,
            "artifact": "nowhere",
        }
        with database.write() as session:
            posted = jobs.submit(session, job)
            row = jobs.take(session, "test", timedelta(minutes=1), job_id=posted.id)
            assert row is not None
            return row, versions.record(session, row.id, row.token, **(fields | said))

    return made


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small model for a task."""
    from tests.engine_models import make_engine_model  # torch, which few tests here need

    made: dict[str, Path] = {}

    def folder(task: str) -> Path:
        if task not in made:
            made[task] = make_engine_model(tmp_path_factory.mktemp("engine") / "model", task)
        return made[task]

    return folder
