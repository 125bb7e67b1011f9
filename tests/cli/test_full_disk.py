"""A command that has no room to write: one message, and no traceback."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from alambique.cli import main
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.reading import read_job

PICO = Path(__file__).parents[2] / "recipes" / "pico.yaml"


def test_run_says_that_the_disk_is_full(
    tmp_path: Path,
    no_new_pages: Callable[[], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = Database(f"sqlite:///{tmp_path / 'alambique.db'}")
    made.upgrade()
    made.dispose()
    monkeypatch.setenv("ALAMBIQUE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["alambique", "run", str(PICO)])
    with no_new_pages():
        fill(f"sqlite:///{tmp_path / 'alambique.db'}")
        with pytest.raises(SystemExit) as ended:
            main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (1, "")
    assert err.startswith("error: no space is left on the disk")


def fill(url: str) -> None:
    """Posts jobs until there is no room for another one."""
    database, job = Database(url), read_job(PICO.read_text())
    try:
        while True:
            with database.write() as session:
                jobs.submit(session, job)
    except OperationalError:
        database.dispose()
