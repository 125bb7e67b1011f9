"""A driver killed in each stage: the job finishes with the result of an undisturbed one."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any
from uuid import UUID

import pytest

from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.job import Job
from alambique.spec.settings import Settings
from alambique.spec.states import Reason, State

TEACH, DISTIL = 16, 8
"""Steps of the teacher, and of each student, in the smallest job."""

KILLED = Path(__file__).with_name("killed.py")


class Drivers:
    """Drivers of this test's own, each in its process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def attempt(
        self, settings: Settings, database: Database, job: UUID, where: str, number: int
    ) -> int:
        """One attempt at the job by a new driver, killed there; its exit code."""
        with database.write() as session:
            taken = jobs.take(session, "test", settings.lease_time, job_id=job)
        assert taken is not None
        asked = {"job": str(job), "token": taken.token, "where": where, "number": number}
        said = settings.model_dump(mode="json", include={"home", "lease", "heartbeat"})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asked | {"settings": said}), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def lost(database: Database, job: UUID) -> None:
    """What the dispatcher does when its child has died."""
    with database.write() as session:
        row = jobs.find(session, job)
        jobs.fail(session, job, row.token, Reason.LOST_WORKER, "killed by the test")


def finished(database: Database, job: UUID) -> tuple[JobRow, dict[str, str]]:
    """The job, and the hash of each of its networks' weights."""
    with database.read() as session:
        row = jobs.find(session, job)
        found = versions.page(session, job_id=job).items
    assert row.state is State.SUCCEEDED, row.message
    return row, {version.role: version.weights for version in found}


@pytest.fixture(scope="module")
def drivers() -> Iterator[Drivers]:
    with subprocess.Popen([sys.executable, str(KILLED)], stdin=PIPE, stdout=PIPE, text=True) as it:
        yield Drivers(it)


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, pico: Job, drivers: Drivers
) -> tuple[dict[str, Any], dict[str, str]]:
    """The result of the job when nothing happens to it."""
    settings = Settings(home=tmp_path_factory.mktemp("undisturbed"), lease=30, heartbeat=5)
    database = Database(settings.database)
    database.upgrade()
    with database.write() as session:
        job = jobs.submit(session, pico).id
    assert drivers.attempt(settings, database, job, "never", 0) == 0
    row, weights = finished(database, job)
    database.dispose()
    return scores(row), weights


def scores(row: JobRow) -> dict[str, Any]:
    """What does not depend on how fast the machine is."""
    assert row.result is not None
    return {
        line["name"]: [line["metrics"], line["parameters"], line["macs"]]
        for line in row.result["rows"]
    }


@pytest.mark.parametrize(
    ("where", "number"),
    [
        ("check", 2),
        pytest.param("step", TEACH // 2 + 1, id="teach"),
        ("cache", 1),
        pytest.param("step", TEACH + DISTIL // 2 + 1, id="gold-only", marks=pytest.mark.slow),
        pytest.param("step", TEACH + DISTIL + DISTIL // 2 + 1, id="distil"),
        ("evaluate", 2),
        ("register", 2),
    ],
)
def test_killed_in_a_stage_it_ends_as_if_undisturbed(
    settings: Settings,
    database: Database,
    pico: Job,
    drivers: Drivers,
    undisturbed: tuple[dict[str, Any], dict[str, str]],
    where: str,
    number: int,
) -> None:
    with database.write() as session:
        job = jobs.submit(session, pico).id
    assert drivers.attempt(settings, database, job, where, number) == -signal.SIGKILL
    lost(database, job)
    assert drivers.attempt(settings, database, job, "never", 0) == 0
    row, weights = finished(database, job)
    assert (scores(row), weights) == undisturbed
    assert row.attempts == 2
    with database.read() as session:
        names = [(v.name, v.number) for v in versions.page(session, job_id=job).items]
    assert sorted(names) == [("pico", 1), ("pico-gold-only", 1), ("pico-teacher", 1)]
