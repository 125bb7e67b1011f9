"""What an error of the database means, on both engines."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alambique.registry.database import Database
from alambique.registry.db_errors import is_away, is_unmigrated


@pytest.mark.parametrize(
    ("statement", "unmigrated"),
    [
        ("SELECT * FROM nowhere", True),
        ("SELECT nowhere FROM jobs", True),
        ("INSERT INTO projects (nowhere) VALUES (1)", True),
        ("SELEC 1", False),
        ("INSERT INTO projects (name) VALUES (NULL)", False),
    ],
)
def test_only_what_is_not_there_is_not_migrated(
    database: Database, statement: str, unmigrated: bool
) -> None:
    with database.write() as session, pytest.raises(DBAPIError) as raised:
        session.execute(text(statement))
    assert is_unmigrated(raised.value) is unmigrated
    assert not is_away(raised.value)


def test_a_file_that_cannot_be_opened_is_away(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}").read() as session, pytest.raises(DBAPIError) as raised:
        session.execute(text("SELECT 1"))
    assert is_away(raised.value)
    assert not is_unmigrated(raised.value)
