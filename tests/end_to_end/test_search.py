"""A whole search on a real Ray: stopped in order, killed, gone on with; trials that fail, or stop.

One Ray for all tests, which the drivers connect to from processes of their own.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from tempfile import mkdtemp
from uuid import UUID

import psutil  # type: ignore[import-untyped]
import pytest
from redis import Redis
from tests.end_to_end.ray_processes import Cluster, Drivers, started

from alambique.registry import jobs, trials, versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Trial
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import Reason, State, TrialState
from alambique.workers.environment import COMPUTING, REDIS, ray_environment
from alambique.workers.pipeline.lease_keeper import RELEASED

RECIPE = (Path(__file__).parents[2] / "recipes" / "pico-search.yaml").read_text()
MAPS = (Path(__file__).parents[2] / "recipes" / "depth-and-mapping.yaml").read_text()
KILLED, KEEPER, OTHER_CODE = (
    Path(__file__).with_name(f"{name}.py") for name in ("killed", "keeper", "other_code")
)
SEARCHING = (
    "alambique.workers.search.stage",
    "alambique.workers.search.summary",
    "alambique.workers.ray.tuning",
)
GRID = (
    "data.limit={train: 60, dev: 20, test: 20}",
    "teacher.train.epochs=4",
    "teacher.gate=off",
    "train.epochs=3",
    "student={start: random, layers: 1, ffn: 64}",
    # heads of a ModernBERT's width: 3 of 64 columns cannot be; a rate of 1e-7 learns nothing
    "search={space: {student.width: [64, 48], student.heads: [2, 3], "
    "train.learning_rate: [3.0e-3, 1.0e-7]}, sampler: grid, goals: [loss min, macs min]}",
)


PASSWORD = "5f1d0c4e7b"
SECRETS = {name: f"9c2a81e6{name}" for name in ("ALAMBIQUE_TOKEN", "HF_TOKEN")}
"""What a driver has in its environment, and no worker of Ray."""


@pytest.fixture(scope="module")
def redis(start_redis: Callable[..., "subprocess.Popen[str]"]) -> Iterator[str]:
    """A Redis that asks for a password, and its URL."""
    folder = Path(mkdtemp(prefix="alambique-redis-"))
    with start_redis(folder, "--requirepass", PASSWORD) as server:
        yield f"unix://:{PASSWORD}@{folder / 'redis.sock'}"
        server.terminate()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    """Ray's temporary folder: its sockets lie there, and their paths have to be short."""
    folder = Path(mkdtemp(prefix="ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def environment(
    tmp_path_factory: pytest.TempPathFactory, redis: str, temporary: Path
) -> dict[str, str]:
    """Of every process here: one token for Ray, one thread each, and secrets."""
    told = ray_environment(tmp_path_factory.mktemp("ray"), {}) | {"OMP_NUM_THREADS": "1"}
    return os.environ | told | SECRETS | {REDIS: redis, "RAY_TMPDIR": str(temporary)}


@pytest.fixture(scope="module")
def drivers(environment: dict[str, str]) -> Iterator[Drivers]:
    with started(environment, KILLED, *SEARCHING) as process:
        yield Drivers(process)


@pytest.fixture(scope="module")
def cluster(environment: dict[str, str], drivers: Drivers) -> Iterator[Cluster]:
    with started(environment, KEEPER) as process:  # while the drivers import what they need
        yield Cluster(process)


@pytest.fixture
def settings(tmp_path: Path, cluster: Cluster) -> Settings:
    return Settings(home=tmp_path / "home", lease=30, heartbeat=1, ray_address=cluster.address)


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited for too long"
        pause.wait(0.1)


def found_of(database: Database, job: UUID) -> tuple[JobRow, dict[int, Trial]]:
    with database.read() as session:
        return jobs.find(session, job), {t.number: t for t in trials.of_job(session, job)}


def shared_outputs_without_a_trace(redis: str, *folders: Path) -> None:
    """Outputs went through the Redis, whose password is in no file."""
    with Redis.from_url(redis) as asked:
        assert asked.dbsize()
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert files
    secrets = [PASSWORD, *SECRETS.values()]
    found = {path: path.read_bytes() for path in files}
    assert [p for p, held in found.items() if any(one.encode() in held for one in secrets)] == []


def workers_have_what_they_need(cluster: Cluster, redis: str) -> None:
    """Threads that wait passively, bounded caches, the shared tier; no secret, not our folder."""
    found = cluster.environment
    assert COMPUTING.items() | {(REDIS, redis)} <= found.items()
    assert str(Path.cwd()) not in found["sys.path"].split(os.pathsep)
    assert not SECRETS.keys() & found.keys()


def test_a_search_that_is_stopped_and_killed_comes_to_its_end(
    settings: Settings,
    database: Database,
    cluster: Cluster,
    drivers: Drivers,
    redis: str,
    temporary: Path,
) -> None:
    with database.write() as session:
        job = jobs.submit(session, read_job(RECIPE, GRID)).id

    # SIGTERM when Ray starts the first of eight trials: the job is given back, and Ray too
    assert drivers.attempt(settings, database, job, "begun", 1) == RELEASED
    workers_have_what_they_need(cluster, redis)
    row, given_back = found_of(database, job)
    assert (row.state, row.reason, row.attempts) == (State.QUEUED, Reason.SHUTDOWN, 0)
    assert {number: str(trial.state) for number, trial in given_back.items()} == {1: "running"}
    until(cluster.is_free)

    # kill -9 after four have ended
    assert drivers.attempt(settings, database, job, "ended", 4) == -signal.SIGKILL
    _, killed = found_of(database, job)
    over = {number for number, trial in killed.items() if trial.state.over}
    assert {1, 2, 3, 4} <= over < set(range(1, 9))
    with database.write() as session:
        row = jobs.find(session, job)
        jobs.fail(session, job, row.token, Reason.LOST_WORKER, "killed by the test")
    until(cluster.is_free)

    assert drivers.attempt(settings, database, job, "never", 0) == 0
    row, found = found_of(database, job)
    assert (row.state, row.attempts) == (State.SUCCEEDED, 2)
    until(cluster.is_free)

    # none that was over was begun again
    assert all(found[number] == killed[number] for number in over)
    every_trial_is_there(found)
    front_is_told(row, found)
    front_is_registered(database, row)
    assert list((settings.home / "search").iterdir()) == []
    shared_outputs_without_a_trace(redis, settings.home, temporary)


def every_trial_is_there(found: Mapping[int, Trial]) -> None:
    assert sorted(found) == list(range(1, 9))
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
    for trial in found.values():
        stopped = [bool(point.get("stopped")) for point in trial.curve]
        assert any(stopped) is (trial.state is TrialState.STOPPED)
        assert not any(stopped[:-1])
    assert found[3].reason is Reason.BAD_SPEC
    assert "heads" in str(found[3].error)


def front_of(row: JobRow) -> list[int]:
    assert row.result is not None
    return [member["trial"] for member in row.result["search"]["front"]]


def front_is_told(row: JobRow, found: Mapping[int, Trial]) -> None:
    """By both goals, with gold only beside each student."""
    front = front_of(row)
    assert front
    assert all(found[number].state is TrialState.FINISHED for number in front)
    assert row.result is not None
    said, rows = row.result["search"], row.result["rows"]
    assert [(line["name"], line.get("trial")) for line in rows] == [
        ("teacher", None),
        *(line for n in front for line in (("gold-only", n), ("distilled", n))),
    ]
    assert sum(said["trials"].values()) == 8
    assert [one["field"] for one in said["dimensions"]] == list(found[1].values)
    assert 0 < said["balance"]["macs"] < 1
    assert row.result["outputs"] == {"examples": 60, "computed": 60}  # by all attempts together
    kept = [line["retention"] for line in rows[1:]]
    assert all(part is not None and part >= 0 for part in kept)


def front_is_registered(database: Database, row: JobRow) -> None:
    """A version of each of its students, in their order."""
    front = front_of(row)
    assert row.result is not None
    students = [line for line in row.result["rows"] if line["name"] == "distilled"]
    assert [line["version"] for line in students] == [
        f"pico-search@{number}" for number in range(1, len(front) + 1)
    ]
    with database.read() as session:
        found = versions.page(session, name="pico-search", job_id=row.id).items
    assert {version.role for version in found} == {f"student-{number}" for number in front}


def test_a_search_that_is_cancelled_leaves_nothing_running(
    settings: Settings, database: Database, cluster: Cluster, drivers: Drivers
) -> None:
    endless = (
        "train.epochs=9000",
        "train.patience=9000",
        "search.scheduler=none",
        "search.concurrent=1",
    )
    with database.write() as session:
        job = jobs.submit(session, read_job(RECIPE, (*GRID, *endless))).id
    with ThreadPoolExecutor(1) as apart:
        driver = apart.submit(drivers.attempt, settings, database, job, "never", 0)
        until(lambda: any(trial.epochs for trial in found_of(database, job)[1].values()), 120)
        with database.write() as session:
            jobs.cancel(session, job)
        assert driver.result(60) == 0
    row, found = found_of(database, job)
    assert (row.state, row.reason) == (State.CANCELLED, Reason.USER)
    assert not any(trial.state.over for trial in found.values())
    until(cluster.is_free)


def test_a_driver_whose_workers_have_other_code_is_refused_by_each(
    environment: dict[str, str], cluster: Cluster, checkout: Path, tmp_path: Path
) -> None:
    """Nothing is computed by code that its stage would not name."""
    edited = checkout / "platform" / "alambique" / "distill" / "losses.py"
    edited.write_text(f"{edited.read_text()}\n# another version\n")
    roots = os.pathsep.join(str(root) for root in sorted(checkout.iterdir()))
    done = subprocess.run(
        [sys.executable, str(OTHER_CODE), cluster.address, str(tmp_path)],
        env=environment | {"PYTHONPATH": roots},
        stdout=PIPE,
        text=True,
        check=True,
    )
    found = {kind: end for kind, *end in map(json.loads, done.stdout.splitlines())}
    assert {kind: end[0] for kind, end in found.items()} == dict.fromkeys(
        ("fill", "train", "search"), "other_code"
    )
    (said,) = {message for _, message in found.values()}
    assert all(part in said for part in ("driver runs", "same packages on every node", "torch "))
    until(cluster.is_free)


@pytest.mark.slow  # a whole search more: the two before go over Ray as well
def test_the_recipe_of_depths_and_maps_runs_cut_down(
    settings: Settings, database: Database, cluster: Cluster, drivers: Drivers
) -> None:
    """Of its sixteen trials two, on other data and networks; the front with gold only beside."""
    windows = "max_length: 96, stride: 16"
    said = (
        "data={name: sample-speech, limit: {train: 60, dev: 20, test: 20}}",
        "teacher={model: {architecture: modernbert, layers: 3, width: 32, heads: 4, ffn: 48, "
        f"vocabulary: 600}}, train: {{epochs: 3, learning_rate: 3.0e-3, {windows}}}, {windows}, "
        "gate: off}",
        f"train={{epochs: 1, learning_rate: 3.0e-3, batch_size: 16, {windows}}}",
        "search.space={student.layers: [2], objective.hidden.mapping: [first, similar]}",
        "search.trials=2",
        "search.concurrent=1",  # one process that imports torch
    )
    whole = read_job(MAPS)
    cut = read_job(MAPS, said)
    assert whole.search is not None
    assert (whole.search.trials, cut.objective) == (16, whole.objective)
    with database.write() as session:
        job = jobs.submit(session, cut).id
    assert drivers.attempt(settings, database, job, "never", 0) == 0
    row, found = found_of(database, job)
    assert {str(trial.state) for trial in found.values()} == {"finished"}
    assert row.result is not None
    assert row.result["outputs"] == {"examples": 60, "computed": 60}
    maps = {line["trial"]: line["maps"] for line in row.result["rows"] if line.get("trial")}
    assert {trial: found[trial].values["student.layers"] for trial in maps} == {
        trial: len(map_["hidden"]["pairs"]) for trial, map_ in maps.items() if map_
    }
    until(cluster.is_free)


def listening_of(processes: Sequence[psutil.Process]) -> list[tuple[str, str]]:
    """The name of a process, and the address, of every socket that listens."""
    found: list[tuple[str, str]] = []
    for process in processes:
        with suppress(psutil.Error):  # it has just ended
            told, name = process.net_connections("tcp"), process.cmdline()[0]
            waiting = [one.laddr.ip for one in told if one.status == psutil.CONN_LISTEN]
            found += [(name, address.removeprefix("::ffff:")) for address in waiting]
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)  # each trial starts a group of processes
def test_trials_of_two_processes_leave_nothing_behind(
    settings: Settings,
    database: Database,
    cluster: Cluster,
    drivers: Drivers,
    redis: str,
    temporary: Path,
) -> None:
    """The second one is stopped after its first epoch, with both of its processes.

    What listens meanwhile, gloo and the store of the group with it, does so on loopback.
    """
    search = "search={space: {train.learning_rate: [3.0e-3, 1.0e-7]}, sampler: grid}"
    long = ("train.epochs=12", "train.patience=12", "compare=[]", "resources={workers: 2}")
    said = (*GRID[:3], *long, "student.start=random", search)
    with database.write() as session:
        job = jobs.submit(session, read_job(RECIPE, said)).id
    with ThreadPoolExecutor(1) as apart:
        driver = apart.submit(drivers.attempt, settings, database, job, "never", 0)
        until(lambda: any(trial.epochs for trial in found_of(database, job)[1].values()), 600)
        listening, of_driver = listening_of(cluster.processes), listening_of(drivers.processes)
        assert driver.result(900) == 0
    assert [one for one in (*listening, *of_driver) if one[1] != "127.0.0.1"] == []
    assert of_driver  # where Ray's workers reach it
    names = [name for name, _ in listening]
    # of the two that train, each has Ray's own and one of gloo's, and one has the store
    assert sum("TrainWorker" in name for name in names) >= 5
    until(cluster.is_free)
    shared_outputs_without_a_trace(redis, settings.home, temporary)
    _, found = found_of(database, job)
    assert {number: str(one.state) for number, one in found.items()} == {
        1: "finished",
        2: "stopped",
    }
    assert found[2].epochs < found[1].epochs == 12
    assert [point["epoch"] for point in found[1].curve] == list(range(1, 13))
