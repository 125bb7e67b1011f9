"""Transactions, time and migrations, on both engines."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.database import CONNECTIONS, Database
from alambique.registry.dialects import now
from alambique.spec.errors import BadSpec, Conflict


def _project(session: Session, name: str = "default") -> tables.Project:
    project = tables.Project(name=name, created_at=now(session))
    session.add(project)
    return project


def test_the_migrations_make_what_the_code_says(url: str) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.Table.metadata) == []
    engine.dispose()


def test_several_may_upgrade_at_once(empty_url: str) -> None:
    def upgrade(_: int) -> None:
        database = Database(empty_url)
        database.upgrade()
        database.dispose()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(upgrade, range(6)))
    engine = create_engine(empty_url)
    assert set(tables.Table.metadata.tables) < set(inspect(engine).get_table_names())
    engine.dispose()


def test_a_schema_from_the_future_is_left_alone(empty_url: str) -> None:
    database = Database(empty_url)
    database.upgrade()
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="upgrade alambique"):
        database.upgrade()
    with database.read() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    database.dispose()


def test_what_fails_is_undone(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            _project(session)
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.read() as session:
        assert session.scalars(select(tables.Project)).all() == []


def test_who_reads_cannot_write(database: Database) -> None:
    with database.read() as session:
        _project(session)
        with pytest.raises(DBAPIError, match=r"readonly|read-only"):
            session.flush()
    with database.write() as session:
        _project(session)


def test_who_reads_sees_one_state(database: Database) -> None:
    with database.read() as before:
        assert before.scalars(select(tables.Project)).all() == []
        with database.write() as session:
            _project(session)
        assert before.scalars(select(tables.Project)).all() == []
    with database.read() as after:
        assert len(after.scalars(select(tables.Project)).all()) == 1


def test_writers_that_wait_keep_no_reader_waiting(
    database: Database, checkouts: threading.Semaphore
) -> None:
    with database.write() as session:
        _project(session)

    def write(_: int) -> int:
        with database.write() as session:
            return len(session.scalars(select(tables.Project).with_for_update()).all())

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        with database.write() as first:
            first.scalars(select(tables.Project).with_for_update()).all()
            waiting = [pool.submit(write, number) for number in range(CONNECTIONS - 1)]
            for _ in range(CONNECTIONS + 1):  # that of the project too
                assert checkouts.acquire(timeout=30)
            with database.read() as session:
                assert len(session.scalars(select(tables.Project)).all()) == 1
            assert not any(one.done() for one in waiting)
        assert [one.result() for one in waiting] == [1] * len(waiting)


def test_a_row_needs_what_it_refers_to(database: Database) -> None:
    suite = tables.Suite(id=uuid4(), project="nobody", spec={}, created_at=datetime.now(UTC))
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(suite)


def test_times_keep_their_instant(database: Database) -> None:
    in_madrid = datetime(2026, 11, 21, 12, 30, 0, 250_000, timezone(timedelta(hours=1)))
    with database.write() as session:
        session.add(tables.Project(name="default", created_at=in_madrid))
    with database.read() as session:
        stored = session.scalars(select(tables.Project)).one().created_at
    assert stored == in_madrid
    assert stored.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="without a zone"), database.write() as session:
        session.add(tables.Project(name="default", created_at=datetime(2026, 11, 21)))


def test_the_clock_is_the_databases_and_goes_on_in_a_transaction(database: Database) -> None:
    with database.write() as session:
        first, later = now(session), now(session)
        while later == first:
            later = now(session)
    assert first.tzinfo is UTC
    assert later > first
    assert abs(first - datetime.now(UTC)) < timedelta(seconds=5)


def test_what_is_no_json_is_not_stored(database: Database) -> None:
    suite = tables.Suite(
        id=uuid4(), project="default", spec={"loss": float("nan")}, created_at=datetime.now(UTC)
    )
    with pytest.raises((StatementError, ValueError), match="JSON"), database.write() as session:
        session.add(suite)


@pytest.mark.parametrize(
    "url", ["", "x", "mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x"]
)
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(BadSpec, match="takes sqlite") as refused:
        Database(url)
    assert "secret" not in str(refused.value)


def test_the_folder_of_a_file_is_its_owners(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'home' / 'alambique.db'}")
    database.upgrade()
    database.dispose()
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
