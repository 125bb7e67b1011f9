"""The schema, brought to this program's revision under a lock, in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from alambique.spec.disk import file_lock
from alambique.spec.errors import Conflict

_LOCK = 0x616C616D62697175  # "alambiqu": the advisory lock of those who change the schema


def upgrade(engine: Engine) -> None:
    """Run the migrations that the database lacks; all of them, or none.

    Raises:
        Conflict: the database has a revision that this program does not know.
    """
    with _exclusive_connection(engine) as connection:
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
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
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
