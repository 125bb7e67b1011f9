"""The SQL database: SQLite in a file, or PostgreSQL; one transaction per session; migrations."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from alambique.spec.disk import file_lock
from alambique.spec.errors import BadSpec, Conflict

BUSY_SECONDS = 30
"""How long a writer of SQLite waits for the one before it."""

SILENT_SECONDS = 5
"""After how long without an answer a connection to PostgreSQL is given up: below any lease, so that
a heartbeat notices that its lease is over, whatever the network does."""

# what the database stores is what a browser can read: NaN is no JSON
_to_json = partial(json.dumps, allow_nan=False)


CONNECTIONS = 15
"""Connections of a process for writing, and as many for reading: writers that wait for a lock, for
half a minute if it is SQLite's, keep no reader waiting."""

_KEPT = 5
"""How many of these connections stay open."""

_MIGRATION_LOCK = 0x616C616D62697175  # "alambiqu"
"""The advisory lock of PostgreSQL that is held while the schema changes."""

_ENGINE: dict[str, Any] = {
    "pool_size": _KEPT,
    "max_overflow": CONNECTIONS - _KEPT,
    "json_serializer": _to_json,
}


class Database:
    """Connections to the database at `url`, in two pools; each process makes its own."""

    def __init__(self, url: str) -> None:
        """Connect on first use; make the folder of an SQLite file, for this user alone.

        Raises:
            BadSpec: the URL is of neither kind.
        """
        parsed = _parse_url(url)
        if parsed.get_backend_name() == "sqlite":
            self._writing, self._reading = _sqlite(parsed, reads=False), _sqlite(parsed, reads=True)
        else:
            self._writing = _postgresql(parsed)
            self._reading = _postgresql(parsed).execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Return a session in a transaction that is committed at the end, or undone by an error."""
        with Session(self._writing) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Return a session that sees one state of the database and cannot write."""
        with Session(self._reading) as session:
            yield session

    def upgrade(self) -> None:
        """Run the migrations that the database lacks, all of them or none.

        Several processes may do so at once.

        Raises:
            Conflict: the database has a revision that this program does not know.
        """
        # not on top: Alembic is slow to import, and nothing else needs it
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        with _exclusive_connection(self._writing) as connection:
            config = Config()
            config.set_main_option("script_location", "alambique.registry:migrations")
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise Conflict(
                    f"the database's schema is not one of this program's ({error}): "
                    "upgrade alambique, or give ALAMBIQUE_DATABASE_URL another database"
                ) from error

    def dispose(self) -> None:
        """Close all connections."""
        self._writing.dispose()
        self._reading.dispose()


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: of the port
        parsed = URL.create("none")
    kind, name = parsed.get_backend_name(), parsed.database or ":memory:"
    if kind == "postgresql" or (kind == "sqlite" and not name.startswith((":memory:", "file:"))):
        return parsed
    shown = URL.create(parsed.drivername, host=parsed.host, database=parsed.database)
    raise BadSpec(
        # neither user nor query: a password may be in each
        f"no database of the registry: {shown}; ALAMBIQUE_DATABASE_URL takes "
        "sqlite:////absolute/path.db (a file: all processes share it) or postgresql://…"
    )


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        connect_args={"connect_timeout": SILENT_SECONDS, "tcp_user_timeout": SILENT_SECONDS * 1000},
        **_ENGINE,
    )


def _sqlite(url: URL, *, reads: bool) -> Engine:
    Path(url.database or "").parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # no isolation level: the driver would begin its own, deferred transactions
    arguments = {"timeout": BUSY_SECONDS, "isolation_level": None}
    engine = create_engine(url, connect_args=arguments, **_ENGINE)
    event.listen(engine, "connect", _on_connect)
    if reads:
        event.listen(engine, "connect", _forbid_writing)
    # a deferred transaction that comes to write may fail at once, whatever the timeout
    event.listen(engine, "begin", partial(_begin, "BEGIN" if reads else "BEGIN IMMEDIATE"))
    return engine


def _on_connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")  # a job that was accepted survives a power cut
    cursor.close()


def _forbid_writing(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only = ON")
    cursor.close()


def _begin(statement: str, connection: Connection) -> None:
    connection.exec_driver_sql(statement)


@contextmanager
def _exclusive_connection(engine: Engine) -> Iterator[Connection]:
    """Return a connection in a transaction, while no other process changes the schema."""
    if engine.dialect.name == "sqlite":
        with file_lock(Path(f"{engine.url.database}.lock")):
            _set_write_ahead_log(engine)
            with engine.begin() as connection:
                yield connection
    else:
        with engine.begin() as connection:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK}
            )
            yield connection


def _set_write_ahead_log(engine: Engine) -> None:
    """Set SQLite's write-ahead log, which the file remembers: readers and a writer at once.

    Only alone: two processes that set it at the same time fail as locked, whatever the timeout.
    """
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()
    finally:
        connection.close()
