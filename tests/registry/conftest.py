"""A database for each test, on both engines; what a test leaves there, the next does not see."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.registry.tables import Table
from alambique.spec.job import Job


def _sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'registry.db'}"


def _on_server(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _upgraded(url: str) -> str:
    database = Database(url)
    database.upgrade()
    database.dispose()
    return url


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    _upgraded(_sqlite(folder))
    return folder


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_url: str) -> str:
    _on_server(postgres_url, "CREATE DATABASE registry")
    return _upgraded(_named(postgres_url, "registry"))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """Which of the two a test runs on."""
    return str(request.param)


@pytest.fixture
def empty_url(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database without any table."""
    if engine == "sqlite":
        yield _sqlite(tmp_path / "home")
        return
    server, name = request.getfixturevalue("postgres_url"), f"test_{uuid4().hex}"
    _on_server(server, f"CREATE DATABASE {name}")
    yield _named(server, name)
    _on_server(server, f"DROP DATABASE {name}")


@pytest.fixture
def url(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with all tables, and nothing in them."""
    if engine == "sqlite":
        shutil.copytree(request.getfixturevalue("_migrated_sqlite"), tmp_path / "home")
        yield _sqlite(tmp_path / "home")
        return
    server = request.getfixturevalue("_migrated_postgres")
    yield server
    cleaner = create_engine(server)
    with cleaner.begin() as connection:
        for table in reversed(Table.metadata.sorted_tables):
            connection.execute(table.delete())
    cleaner.dispose()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The database of this test."""
    opened = Database(url)
    yield opened
    opened.dispose()


@pytest.fixture
def job() -> Job:
    """A small job."""
    return Job.model_validate(
        {
            "name": "tiny",
            "task": "named-entities",
            "data": "sample-ner",
            "teacher": {"model": "sample-encoder"},
            "student": {"layers": 2},
        }
    )


@pytest.fixture
def posted(database: Database, job: Job) -> Callable[..., JobRow]:
    """Posts the small job, with fields of it changed."""

    def post(**changes: Any) -> JobRow:
        with database.write() as session:
            return jobs.submit(session, job.model_copy(update=changes))

    return post


@pytest.fixture
def taken(database: Database) -> Callable[..., JobRow]:
    """Takes the job whose turn it is, or the one that is named."""

    def take(lease: timedelta = timedelta(minutes=1), job_id: UUID | None = None) -> JobRow:
        with database.write() as session:
            row = jobs.take(session, "driver", lease, job_id=job_id)
        assert row is not None
        return row

    return take
