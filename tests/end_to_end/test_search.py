"""A whole search on a real Ray: stopped in order, killed, gone on with; trials that fail, or stop.

One Ray for all tests, which the drivers connect to from processes of their own.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from uuid import UUID

import pytest

from alambique.registry import jobs, trials, versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Trial
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import Reason, State
from alambique.workers.environment import for_ray
from alambique.workers.holding import GIVEN_BACK

RECIPE = (Path(__file__).parents[2] / "recipes" / "pico-search.yaml").read_text()
KILLED, KEEPER = (Path(__file__).with_name(f"{name}.py") for name in ("killed", "keeper"))
GRID = (
    "data.limit={train: 60, dev: 20, test: 20}",
    "teacher.train.epochs=4",
    "train.epochs=3",
    "student={start: random, layers: 1, ffn: 64}",
    # heads of a ModernBERT's width: 3 of 64 columns cannot be; a rate of 1e-7 learns nothing
    "search={space: {student.width: [64, 48], student.heads: [2, 3], "
    "train.learning_rate: [3.0e-3, 1.0e-7]}, sampler: grid, goals: [loss min, macs min]}",
)


class Cluster:
    """A Ray that a process of its own keeps."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.address = self._line()

    def is_free(self) -> bool:
        """Whether nothing is reserved, and nothing runs."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        found: dict[str, float] = json.loads(self._line())
        return found == {"CPU": 0, "places": 0}

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of every process here: one token for Ray, and one thread each."""
    told = for_ray(tmp_path_factory.mktemp("ray"), {}) | {"OMP_NUM_THREADS": "1"}
    return os.environ | told


@pytest.fixture(scope="module")
def cluster(environment: dict[str, str]) -> Iterator[Cluster]:
    with started(KEEPER, environment) as process:
        yield Cluster(process)


@contextmanager
def started(script: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, text=True) as process:
        yield process  # it ends with its input


@pytest.fixture
def settings(tmp_path: Path, cluster: Cluster) -> Settings:
    return Settings(home=tmp_path / "home", lease=30, heartbeat=1, ray_address=cluster.address)


class Drivers:
    """Drivers of this test's own, each in a process forked from one."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def attempt(
        self, settings: Settings, database: Database, job: UUID, where: str, number: int
    ) -> int:
        """One attempt at the job, ended there; its exit code."""
        with database.write() as session:
            taken = jobs.take(session, "test", settings.lease_time, job_id=job)
        assert taken is not None
        asked = {"job": str(job), "token": taken.token, "where": where, "number": number}
        said = settings.model_dump(
            mode="json", include={"home", "lease", "heartbeat", "ray_address"}
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asked | {"settings": said}), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def drivers(environment: dict[str, str]) -> Iterator[Drivers]:
    with started(KILLED, environment) as process:
        yield Drivers(process)


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited for too long"
        pause.wait(0.1)


def found_of(database: Database, job: UUID) -> tuple[JobRow, dict[int, Trial]]:
    with database.read() as session:
        return jobs.find(session, job), {t.number: t for t in trials.of_job(session, job)}


def test_a_search_that_is_stopped_and_killed_comes_to_its_end(
    settings: Settings, database: Database, cluster: Cluster, drivers: Drivers
) -> None:
    with database.write() as session:
        job = jobs.submit(session, read_job(RECIPE, GRID)).id

    # SIGTERM after the second of eight trials: the job is given back, and Ray too
    assert drivers.attempt(settings, database, job, "trial, in order", 2) == GIVEN_BACK
    row, given_back = found_of(database, job)
    assert (row.state, row.reason, row.attempts) == (State.QUEUED, Reason.SHUTDOWN, 0)
    over = {number for number, trial in given_back.items() if trial.state.over}
    assert {1, 2} <= over < set(range(1, 9))
    until(cluster.is_free)

    # kill -9 after two more
    assert drivers.attempt(settings, database, job, "trial", 2) == -signal.SIGKILL
    _, killed = found_of(database, job)
    with database.write() as session:
        row = jobs.find(session, job)
        jobs.fail(session, job, row.token, Reason.LOST_WORKER, "killed by the test")
    until(cluster.is_free)

    assert drivers.attempt(settings, database, job, "never", 0) == 0
    row, found = found_of(database, job)
    assert (row.state, row.attempts) == (State.SUCCEEDED, 2)
    until(cluster.is_free)

    # every trial is there, and none that was over was begun again
    assert sorted(found) == list(range(1, 9))
    for before in (given_back, killed):
        assert all(found[n] == trial for n, trial in before.items() if trial.state.over)
    states = {number: str(trial.state) for number, trial in found.items()}
    assert states == {
        1: "finished",  # 64 wide, 2 heads
        2: "stopped",  # and no rate
        3: "failed",  # 3 heads of 64 columns
        4: "failed",
        **{5: states[5], 6: "stopped", 7: states[7], 8: "stopped"},
    }
    assert {states[5], states[7]} <= {"finished", "stopped"}
    assert found[2].epochs == 1
    assert found[3].reason is Reason.BAD_SPEC
    assert "heads" in str(found[3].error)

    # the front by both goals, and a version of each of its students with gold only beside
    assert row.result is not None
    said = row.result["search"]
    front = [member["trial"] for member in said["front"]]
    assert front
    assert all(states[number] == "finished" for number in front)
    lines = [(line["name"], line.get("trial")) for line in row.result["rows"]]
    assert lines == [
        ("teacher", None),
        *(line for n in front for line in (("gold-only", n), ("distilled", n))),
    ]
    assert [line["version"] for line in row.result["rows"] if line["name"] == "distilled"] == [
        f"pico-search@{number}" for number in range(1, len(front) + 1)
    ]
    assert sum(said["trials"].values()) == 8
    assert [one["field"] for one in said["dimensions"]] == list(found[1].values)
    assert 0 < said["balance"]["macs"] < 1
    assert row.result["outputs"] == {"examples": 60, "computed": 0}
    kept = [line["retention"] for line in row.result["rows"][1:]]
    assert all(part is not None and part >= 0 for part in kept)
    with database.read() as session:
        students = versions.page(session, name="pico-search", job_id=job).items
    assert {version.role for version in students} == {f"student-{number}" for number in front}
    assert list((settings.home / "search").iterdir()) == []
