"""A whole server with PostgreSQL, Redis and Ray: jobs posted over REST, and processes killed."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from subprocess import PIPE
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
from sqlalchemy import make_url, select

from alambique.api.client import Client
from alambique.api.views import JobView
from alambique.cache.disk import DiskPacks
from alambique.cache.shared import RedisPacks
from alambique.registry import leases, tables
from alambique.registry.database import Database
from alambique.spec.data import Data
from alambique.spec.reading import read_job
from alambique.spec.states import Reason, StageName, State
from alambique.tasks.all import find
from alambique.tasks.data import load
from alambique.workers.environment import COMPUTING
from alambique.workers.scoring.loaded_model import score_of

T = TypeVar("T")

PICO = (Path(__file__).parents[2] / "recipes" / "pico.yaml").read_text()
PROGRAM = (sys.executable, "-m", "alambique.cli")
SMALL = (
    "data.limit={train: 60, dev: 20, test: 24}",
    "teacher.train.epochs=4",
    "teacher.gate=off",
    "train={epochs: 2, learning_rate: 3.0e-3, batch_size: 16, max_length: 48, stride: 16}",
)
ON_RAY = "resources={workers: 2, zero: 2}"
LONGER = ("compare=[]", "student.layers=2", "train.epochs=12", "train.patience=12")
KINDS = {
    "dispatcher": ("alambique.cli", "worker"),
    "driver": ("alambique.cli", "drive"),
    "node of Ray": ("raylet/raylet",),
    "training process": ("RayTrainWorker",),
}
"""Kinds of the server's processes, by words of their command."""
PLAIN = """
import sys
from transformers import AutoModelForTokenClassification, AutoTokenizer

model = AutoModelForTokenClassification.from_pretrained(sys.argv[1])
tokens = AutoTokenizer.from_pretrained(sys.argv[1])("Ana vive en Lugo .", return_tensors="pt")
logits = model(tokens["input_ids"], tokens["attention_mask"]).logits
print(*logits.shape, *model.config.id2label.values())
assert not any(module.startswith("alambique") for module in sys.modules)
"""


class Server:
    """`alambique up` as a user starts it; it can be stopped, and started again."""

    def __init__(self, home: Path, **settings: str) -> None:
        unset = COMPUTING.keys()  # the program itself is to set these
        kept = {name: value for name, value in os.environ.items() if name not in unset}
        kept = {name: value for name, value in kept.items() if "ALAMBIQUE" not in name}
        said = {f"ALAMBIQUE_{name}": value for name, value in settings.items()}
        self.home = home
        self.environment = kept | said | {"ALAMBIQUE_HOME": str(home), "OMP_NUM_THREADS": "1"}
        self.database = Database(settings["DATABASE_URL"])
        self.environments: dict[str, dict[str, str]] = {}
        """What its processes found when they were started, while a student learnt on Ray."""

    def up(self) -> None:
        """Starts it, and waits until it answers."""
        command = [*PROGRAM, "up", "--port", "0"]
        self.process = subprocess.Popen(command, env=self.environment, stdout=PIPE, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://[\d.:]+\d", self.process.stdout.readline())
        assert found
        self.environment["ALAMBIQUE_URL"] = found[0]
        self.client = Client(found[0], pause=0.1)

    def down(self) -> int:
        """Stops it as a service manager does; its exit code."""
        with self.client, self.process:
            self.process.terminate()
            return self.process.wait(40)

    def post(self, *overrides: str) -> UUID:
        """The id of a small job."""
        return self.client.submit(read_job(PICO, (*SMALL, *overrides))).id

    def job(self, job: UUID) -> JobView:
        """As it stands; waiting for more makes no sense once it has failed."""
        found = self.client.job(job)
        assert found.state is not State.FAILED, (found.message, self.log(job))
        return found

    def over(self, job: UUID) -> JobView:
        """The job, once it is over."""
        return until(lambda: found if (found := self.job(job)).state.over else None, 400)

    def trains(self, job: UUID) -> bool:
        """Whether its student has begun to learn."""
        return self.step(job) > 0

    def step(self, job: UUID) -> int:
        """How far its student has come in learning."""
        found = re.match(r"distilled: step (\d+)", self.job(job).message or "")
        return int(found[1]) if found else 0

    def steps(self, job: UUID) -> list[list[int]]:
        """Those that each attempt at a job told of, once it is over."""
        attempts: list[list[int]] = []
        for event in self.client.watch(job):
            if event.content.get("state") == "running":
                attempts.append([])
            if found := re.match(r"distilled: step (\d+)", str(event.content.get("message"))):
                attempts[-1].append(int(found[1]))
        return attempts

    def log(self, job: UUID) -> str:
        """What the job wrote."""
        return "\n".join(line for item in self.client.logs(job).items for line in item.lines)

    def waits(self, job: UUID) -> int:
        """How often it has begun to wait for the job that tests its models now."""
        return self.log(job).count("evaluate: another job is doing the same")

    def cached(self, job: UUID) -> str:
        """What its cache stage said at last."""
        told = [event.content for event in self.client.watch(job)]
        return str([content["message"] for content in told if content.get("stage") == "cache"][-1])

    def processes(self, *words: str) -> list[int]:
        """The ids of the processes that were started from it, directly or not."""
        mine, found = f"ALAMBIQUE_HOME={self.home}\0".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile
                line = (folder / "cmdline").read_text()
                if mine in (folder / "environ").read_bytes() and all(w in line for w in words):
                    found.append(int(folder.name))
        return found

    def look_into_environments(self) -> None:
        """Remember what one process of each kind was started with."""
        for kind, words in KINDS.items():
            for process in self.processes(*words)[:1]:
                content = Path(f"/proc/{process}/environ").read_bytes().decode()
                lines = (line.partition("=") for line in content.split("\0"))
                self.environments[kind] = {name: value for name, _, value in lines}

    @contextmanager
    def held_at(self, stage: StageName) -> Iterator[None]:
        """While it lasts, no job comes past a stage that the first job did: we are doing it."""
        with self.database.write() as session:
            query = select(tables.StageDone.key).where(tables.StageDone.stage == stage)
            names = [f"stage:default:{key}" for key in session.scalars(query)]
            held = leases.take(session, names, "test", timedelta(hours=1))
        assert len(held) == len(names) > 0
        try:
            yield
        finally:
            with self.database.write() as session:
                leases.release(session, held)


def until(condition: Callable[[], T | None], seconds: float = 120) -> T:
    """What `condition` gives, once that is something: asked again and again until then."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited for too long"
        pause.wait(0.1)
    return found


def killed(pid: int) -> None:
    """Kills a process, and waits until it is gone."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}/environ").exists())


@pytest.fixture(scope="module")
def server(
    postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    name = f"server_{uuid4().hex}"
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(f"create database {name}")
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    home = tmp_path_factory.mktemp("server") / "home"
    found = Server(home, DATABASE_URL=url, REDIS_URL=redis_url, LEASE="15", HEARTBEAT="2")
    found.up()
    yield found
    if found.process.poll() is None:
        found.down()
    found.database.dispose()


@pytest.fixture(scope="module")
def told(server: Server) -> list[dict[str, Any]]:
    """What the server tells, live, of a job on Ray that nothing happens to."""
    job = read_job(PICO, (*SMALL, ON_RAY)).model_dump_json()
    headers = {"Content-Type": "application/json"}
    url = f"{server.environment['ALAMBIQUE_URL']}/v1/jobs"
    answer = httpx2.post(url, content=job, headers=headers)
    assert answer.status_code == 202
    events = []
    for event in server.client.watch(UUID(answer.json()["id"])):
        events.append(event.content)
        if str(event.content.get("message")).startswith("distilled: step 1 "):
            server.look_into_environments()
    return events


@pytest.fixture(scope="module")
def first(server: Server, told: list[dict[str, Any]]) -> JobView:
    """That job, when it is over."""
    (found,) = server.client.jobs(name="pico").items
    return server.job(found.id)


def test_the_whole_chain_of_processes_finds_what_libraries_read_once(
    server: Server, told: list[dict[str, Any]]
) -> None:
    assert told
    found = {
        kind: {name: environment.get(name) for name in COMPUTING}
        for kind, environment in server.environments.items()
    }
    assert found == dict.fromkeys(KINDS, COMPUTING)


def test_the_events_of_a_job_tell_of_every_stage(told: list[dict[str, Any]]) -> None:
    stages = [content["stage"] for content in told if "stage" in content]
    # a job that asks for no other format passes by that stage
    every = [stage for stage in StageName if stage is not StageName.COMPRESS]
    assert list(dict.fromkeys(stages)) == every
    assert stages == sorted(stages, key=list(StageName).index)
    states = [content["state"] for content in told if "state" in content]
    assert states == ["queued", "running", "succeeded"]
    assert told[-1]["state"] == "succeeded"


def test_it_ends_with_a_table(first: JobView) -> None:
    assert first.result is not None
    rows = {row["name"]: row for row in first.result["rows"]}
    assert list(rows) == ["teacher", "gold-only", "distilled"]
    for row in rows.values():
        assert 0 <= row["metrics"]["f1"] <= 1
        assert 0 < row["macs"]["linear"] < row["macs"]["full"]
        assert min(row["parameters"], row["latency_ms"], row["inferences_per_second"]) > 0
    assert [row["layers"] for row in rows.values()] == [2, 1, 1]
    names = [row["version"] for row in rows.values()]
    assert names == ["pico-teacher@1", "pico-gold-only@1", "pico@1"]
    assert (first.result["primary"], first.result["settings"]["examples"]) == ("f1", 24)


def test_the_student_is_registered_with_files_and_lineage(
    server: Server, first: JobView, tmp_path: Path
) -> None:
    student = server.client.download("pico", 1, tmp_path / "student")
    hashes = {p.name: sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "student").iterdir()}
    assert hashes == {file.name: file.sha256 for file in student.files}
    assert {"model.safetensors", "tokenizer.json", "alambique.json"} <= set(hashes)
    teacher = server.client.version("pico-teacher", 1)
    edges = {edge.relation: edge for edge in student.lineage}
    assert edges["teacher"].parent == teacher.id
    assert edges["teacher"].hashes == {"weights": teacher.weights, "gate": "off"}
    assert set(edges["data"].hashes) == {"train", "dev", "test"}
    assert edges["code"].hashes["alambique"]
    assert student.job_id == first.id
    scores = {metric.name: metric.value for metric in student.metrics}
    assert first.result is not None
    assert scores.items() >= first.result["rows"][2]["metrics"].items()


def test_its_scores_are_those_of_its_files_on_the_test_split(
    server: Server, first: JobView, tmp_path: Path
) -> None:
    server.client.download("pico", 1, tmp_path / "student")
    task = find("named-entities")
    data = load(Data(name="sample-entities", limit={"test": 24}), task=task, root=None)
    assert first.result is not None
    found = score_of(task, tmp_path / "student", data.test, data.labels, max_length=48, stride=16)
    metrics = first.result["rows"][2]["metrics"]
    assert {name: metrics[name] for name in found} == pytest.approx(found)


def test_plain_transformers_loads_it(server: Server, first: JobView, tmp_path: Path) -> None:
    labels = server.client.download("pico", 1, tmp_path / "student").labels
    command = [sys.executable, "-c", PLAIN, str(tmp_path / "student")]
    one, pieces, classes, *names = subprocess.check_output(command, text=True).split()
    assert (int(one), int(pieces) > 6, int(classes), names) == (1, True, len(labels), labels)


@pytest.mark.slow  # the documents' commands, one of which it is, are run as well
def test_the_program_tags_a_sentence(server: Server, first: JobView) -> None:
    command = [*PROGRAM, "models", "predict", "pico@1", "--text", "Ana vive en Lugo.", "--json"]
    said = subprocess.check_output(command, env=server.environment)
    words = [(row["word"], row["tag"][0] in "OBI") for row in json.loads(said)["words"]]
    assert words == [(word, True) for word in ("Ana", "vive", "en", "Lugo", ".")]


def test_the_outputs_are_in_both_tiers(server: Server, first: JobView, redis_url: str) -> None:
    assert server.cached(first.id) == "60 of 60 outputs computed"
    (near,) = DiskPacks(server.home / "cache").usage()
    shared = {one.namespace: one for one in RedisPacks(redis_url).usage()}
    assert near.records == shared[near.namespace].records == 60


def rows_of(job: JobView) -> list[dict[str, Any]]:
    """The rows of its table, which are equal where the stages are the same; not so versions."""
    assert job.result is not None
    return [row | {"version": None} for row in job.result["rows"]]


def test_a_killed_driver_and_a_killed_worker_are_replaced_and_do_nothing_again(
    server: Server, first: JobView
) -> None:
    with server.held_at(StageName.EVALUATE):
        job = server.post(ON_RAY)
        until(lambda: server.waits(job) == 1)
        (driver,) = server.processes("drive", str(job))
        killed(driver)
        until(lambda: server.waits(job) == 2)
        assert server.job(job).attempts == 2
        (worker,) = server.processes("worker", "--parent")
        killed(worker)
        until(lambda: server.processes("worker", "--parent"))
    found = server.over(job)
    assert found.state is State.SUCCEEDED
    assert rows_of(found) == rows_of(first)
    done = re.findall(r"(\w+): done before", server.log(job))
    # each network is tested, and all are timed together
    assert done[-7:] == ["teach", *["distil"] * 2, *["evaluate"] * 4]
    assert server.cached(job) == "0 of 60 outputs computed"


def test_training_goes_on_after_a_stop_of_its_server_until_it_is_cancelled(
    server: Server, first: JobView
) -> None:
    job = server.post("compare=[]", "train.epochs=3000", "train.patience=3000")
    until(lambda: server.trains(job))
    given_back(server, job)
    server.up()
    stopped = server.step(job)
    until(lambda: server.step(job) > stopped)
    assert server.processes("drive", str(job))
    assert server.client.cancel(job).state is State.CANCELLING
    assert (server.over(job).state, server.over(job).reason) == (State.CANCELLED, Reason.USER)
    until(lambda: not server.processes("drive", str(job)))
    # to the epoch of four steps at whose end it had last been kept
    before, after = server.steps(job)
    assert min(after) > max(before) - 4


def given_back(server: Server, job: UUID) -> None:
    """Stops the server; the job waits for the next one, and no process is left."""
    assert server.down() == 0
    until(lambda: not server.processes())
    with server.database.read() as session:
        row = session.get_one(tables.Job, job)
    assert (row.state, row.reason, row.attempts) == (State.QUEUED, Reason.SHUTDOWN, 0)


@pytest.mark.slow
@pytest.mark.timeout(900)  # Ray starts twice, and twice a group of processes on it
def test_stopped_while_training_on_ray_it_comes_to_its_end(server: Server, first: JobView) -> None:
    job = server.post(*LONGER, ON_RAY)
    until(lambda: server.trains(job))
    given_back(server, job)
    server.up()
    assert server.over(job).state is State.SUCCEEDED
    assert server.cached(job) == "0 of 60 outputs computed"
