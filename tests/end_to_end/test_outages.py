"""A search on a real worker while its PostgreSQL is stopped, and started again, over and over."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from alambique.registry import jobs, trials
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Trial
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import StageName, State

RECIPE = (Path(__file__).parents[2] / "recipes" / "pico-search.yaml").read_text()
SMALL = (
    "data.limit={train: 60, dev: 20, test: 20}",
    "teacher.train.epochs=4",
    "teacher.gate=off",
    "train.epochs=2",
    "search.trials=5",
    "compare=[]",
)
AWAY_SECONDS = 3

pytestmark = [
    pytest.mark.slow,
    # pgserver looks for a runtime folder of the user's
    pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR"),
]


class Server:
    """A PostgreSQL that can be stopped."""

    def __init__(self, folder: Path) -> None:
        from pgserver import get_server

        self._server = get_server(folder, cleanup_mode="stop")
        url = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        self.url = SecretStr(url)

    def restart(self) -> None:
        """Stops it, and starts it again some seconds later."""
        from pgserver import pg_ctl  # type: ignore[attr-defined]  # made while it is imported

        user = self._server.system_user
        pg_ctl(["-m", "fast", "-w", "stop"], pgdata=self._server.pgdata, user=user)
        threading.Event().wait(AWAY_SECONDS)
        self._server.ensure_postgres_running()

    def end(self) -> None:
        self._server.cleanup()


@pytest.fixture
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="alambique-restarted-"))  # where the server's user may go
    server = Server(folder / "data")
    yield server
    server.end()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def worker(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    assert settings.database_url is not None
    variables = {
        "ALAMBIQUE_HOME": str(settings.home),
        "ALAMBIQUE_DATABASE_URL": settings.database_url.get_secret_value(),
        "ALAMBIQUE_LEASE": str(settings.lease),
        "ALAMBIQUE_HEARTBEAT": str(settings.heartbeat),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "alambique.cli", "worker"]
    with subprocess.Popen(command, env=os.environ | variables) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


Look = Callable[[JobRow, list[Trial]], bool]


def over(trials: list[Trial], count: int) -> bool:
    return sum(trial.state.over for trial in trials) >= count


MOMENTS: tuple[Look, ...] = (
    lambda row, _: row.state is State.RUNNING,
    lambda row, _: row.stage is StageName.TEACH,
    lambda _, found: len(found) >= 1,
    lambda _, found: over(found, 1),
    lambda _, found: over(found, 2),
    lambda _, found: over(found, 4),
)
"""When the server is stopped: at the start of the driver, in mid-stage, and in the search."""


def seen(database: Database, job: UUID) -> tuple[JobRow, list[Trial]]:
    with database.read() as session:
        return jobs.find(session, job), list(trials.of_job(session, job))


def until(database: Database, job: UUID, look: Look, seconds: float = 400) -> JobRow:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while True:
        row, found = seen(database, job)
        if look(row, found) or row.state.over:
            return row
        assert time.monotonic() < deadline, f"waited for too long: {row}"
        pause.wait(0.05)


def measured(row: JobRow, found: list[Trial]) -> dict[str, Any]:
    """What a search has come to, without times."""
    assert row.result is not None
    rows = [(one["name"], one.get("trial"), one["metrics"]) for one in row.result["rows"]]
    trials = [(one.number, one.values, one.state, one.epochs, one.metrics) for one in found]
    return {"rows": rows, "trials": trials}


def test_a_search_while_its_database_is_restarted_six_times(tmp_path: Path, server: Server) -> None:
    home = tmp_path / "home"
    settings = Settings(home=home, database_url=server.url, lease=30, heartbeat=1)
    database, results = Database(settings.database), []
    database.upgrade()
    with worker(settings):
        for project, moments in (("undisturbed", ()), ("restarted", MOMENTS)):
            with database.write() as session:
                job = jobs.submit(session, read_job(RECIPE, (*SMALL, f"project={project}"))).id
            for look in moments:
                row = until(database, job, look)
                assert not row.state.over, (row.state, row.reason, row.message)
                server.restart()
            row = until(database, job, lambda row, _: row.state.over)
            assert (row.state, row.attempts) == (State.SUCCEEDED, 1), (row.reason, row.message)
            results.append(measured(*seen(database, job)))
    database.dispose()
    undisturbed, restarted = results
    assert restarted == undisturbed
