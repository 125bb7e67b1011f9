"""How many jobs run at once: as many as there is room for, and who comes first."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alambique.registry import jobs, tables
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import Reason, State
from alambique.spec.train import Resources
from alambique.workers.compute_resources import (
    ComputeResources,
    needed_resources,
    too_large_message,
)
from alambique.workers.pipeline.lease_keeper import DISK_FULL, NO_DATABASE
from alambique.workers.queue.dispatcher import Dispatcher, explain_exit_code

PICO = (Path(__file__).parents[2] / "recipes" / "pico.yaml").read_text()
TWO_CORES = ComputeResources(2, 0)


def test_what_others_take_is_not_there() -> None:
    assert TWO_CORES.minus([ComputeResources(0.5, 0), ComputeResources(1, 0)]) == ComputeResources(
        0.5, 0
    )
    assert TWO_CORES.minus([]) == TWO_CORES


@pytest.mark.parametrize(
    ("room", "wanted", "fits"),
    [
        (TWO_CORES, ComputeResources(2, 0), True),
        (TWO_CORES, ComputeResources(2.5, 0), False),
        (TWO_CORES, ComputeResources(1, 1), False),
        (ComputeResources(8, 1), ComputeResources(1, 1), True),
        (ComputeResources(8, 1), ComputeResources(1, 1.5), False),
        (
            TWO_CORES.minus([ComputeResources(1, 0), ComputeResources(1, 0)]),
            ComputeResources(0.5, 0),
            False,
        ),
    ],
)
def test_both_kinds_have_to_fit(
    room: ComputeResources, wanted: ComputeResources, fits: bool
) -> None:
    assert room.can_hold(wanted) is fits


@pytest.mark.parametrize(
    ("resources", "taken"),
    [
        ({"workers": 2}, ComputeResources(2, 0)),
        ({"workers": 3, "cpus": 0.5}, ComputeResources(1.5, 0)),
        ({"workers": 2, "cpus": 4, "gpus": 1, "zero": 2}, ComputeResources(8, 2)),
    ],
)
def test_a_job_takes_what_its_workers_take(
    resources: dict[str, Any], taken: ComputeResources
) -> None:
    job = read_job(PICO).model_copy(update={"resources": Resources(**resources)})
    assert needed_resources(job) == taken


def test_a_search_takes_room_for_the_trials_that_run_at_once() -> None:
    search = "search={space: {student.layers: [1, 2]}, sampler: grid, concurrent: 2}"
    assert needed_resources(
        read_job(PICO, ("resources={workers: 2, cpus: 0.5}", search))
    ) == ComputeResources(2, 0)


def test_a_job_that_never_fits_is_told_both_sizes() -> None:
    assert "needs 3 CPUs and 1 GPU, this machine has 2 CPUs and 0 GPUs" in too_large_message(
        ComputeResources(3, 1), TWO_CORES
    )


@dataclass(frozen=True)
class Fixed:
    """A cluster of some size; a driver that looks for it finds nobody, and none here does."""

    all: ComputeResources = TWO_CORES
    address: str = "127.0.0.1:1"

    def can_never_hold(self, room: ComputeResources) -> bool:
        return not self.all.can_hold(room)


@dataclass(frozen=True)
class Queue:
    """A dispatcher with its queue."""

    database: Database
    dispatcher: Dispatcher

    def post(self, *overrides: str) -> JobRow:
        with self.database.write() as session:
            return jobs.submit(session, read_job(PICO, overrides))

    def state(self, row: JobRow) -> JobRow:
        with self.database.read() as session:
            return jobs.find(session, row.id)

    def log(self, row: JobRow) -> list[str]:
        with self.database.read() as session:
            events = jobs.notes(session, row.id, "log")
        return [line for event in events for line in event.content["lines"]]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with made(tmp_path) as queue:
        yield queue


@contextmanager
def made(home: Path) -> Iterator[Queue]:
    settings = Settings(home=home / "home")
    settings.home.mkdir()
    database = Database(settings.database)
    database.upgrade()
    dispatcher = Dispatcher(settings, database, Fixed())
    try:
        yield Queue(database, dispatcher)
    finally:
        dispatcher.stop()


def test_a_large_job_is_not_overtaken_by_small_ones(queue: Queue) -> None:
    small = queue.post()
    queue.dispatcher.run_round()
    large = queue.post("resources.workers=2", "priority=90")
    later = queue.post("priority=10")
    queue.dispatcher.run_round()
    assert queue.state(small).state is State.RUNNING
    assert {queue.state(row).state for row in (large, later)} == {State.QUEUED}
    with queue.database.write() as session:
        jobs.cancel(session, large.id)
    queue.dispatcher.run_round()
    assert queue.state(later).state is State.RUNNING


def test_a_job_that_never_fits_fails_and_blocks_nobody(queue: Queue) -> None:
    large = queue.post("resources.workers=3", "priority=90")
    small = queue.post()
    queue.dispatcher.run_round()
    found = queue.state(large)
    assert (found.state, found.reason) == (State.FAILED, Reason.BAD_SPEC)
    assert "3 CPUs" in (found.message or "")
    assert queue.log(large) == [found.message]
    assert queue.state(small).state is State.RUNNING


def test_a_job_of_another_version_of_this_program_blocks_nobody(queue: Queue) -> None:
    strange, good = queue.post("priority=90"), queue.post()
    with queue.database.write() as session:
        row = session.get_one(tables.Job, strange.id)
        row.spec = row.spec | {"lengths": {"sandwich": 2}}
    with queue.database.read() as session:
        assert jobs.waiting(session, strange.id).ahead == 0
    queue.dispatcher.run_round()
    found = queue.state(strange)
    assert (found.state, found.reason) == (State.FAILED, Reason.BAD_SPEC)
    assert "lengths" in (found.message or "")
    assert queue.log(strange) == [found.message]
    assert queue.state(good).state is State.RUNNING


def test_jobs_are_in_the_queue_again_when_the_dispatcher_stops(tmp_path: Path) -> None:
    """Also where a driver dies of the signal: it has only just begun, and hears none yet."""
    with made(tmp_path) as queue:
        row = queue.post()
        queue.dispatcher.run_round()
        running = queue.state(row)
    found = queue.state(row)
    assert (running.state, running.attempts) == (State.RUNNING, 1)
    assert (found.state, found.attempts, found.reason) == (State.QUEUED, 0, Reason.SHUTDOWN)


def test_a_job_is_not_left_lying_when_the_answer_to_taking_it_was_lost(
    queue: Queue, lost_answer: Callable[[int], None]
) -> None:
    row = queue.post()
    lost_answer(1)  # the first commit looks for jobs that were lost
    queue.dispatcher.run_round()
    assert (queue.state(row).state, queue.state(row).token) == (State.RUNNING, 1)
    queue.dispatcher.run_round()
    found = queue.state(row)
    assert (found.state, found.token, found.attempts) == (State.RUNNING, 2, 1)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (NO_DATABASE, Reason.NO_DATABASE),
        (DISK_FULL, Reason.NO_DISK),
        (-9, Reason.LOST_WORKER),
        (3, Reason.INTERNAL),
    ],
)
def test_how_a_driver_ended_is_told_by_its_exit_code(code: int, reason: Reason) -> None:
    assert explain_exit_code(code, log="logs/x.log")[0] is reason


def test_a_driver_is_killed_on_demand_and_its_job_is_over(queue: Queue) -> None:
    row = queue.post()
    queue.dispatcher.run_round()
    with queue.database.write() as session:
        jobs.cancel(session, row.id, kill=True)
    queue.dispatcher.run_round()
    assert queue.state(row).state is State.CANCELLING
    queue.dispatcher.run_round()
    found = queue.state(row)
    assert (found.state, found.reason) == (State.CANCELLED, Reason.USER)
    assert found.message == "killed on request"


def test_a_silent_driver_is_ended_before_another_gets_its_job(queue: Queue) -> None:
    row = queue.post()
    queue.dispatcher.run_round()
    (silent,) = queue.dispatcher.drivers
    with queue.database.write() as session:
        held = session.get_one(tables.Job, row.id)
        held.lease_until = held.created_at
    queue.dispatcher.run_round()
    assert silent.process.returncode == -signal.SIGKILL
    (other,) = queue.dispatcher.drivers
    assert other.row.token > silent.row.token
    assert (queue.state(row).state, queue.state(row).attempts) == (State.RUNNING, 2)


def test_a_driver_does_not_find_the_token_of_the_hub(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALAMBIQUE_HUB_TOKEN", "hf_s3cret")
    monkeypatch.setenv("ALAMBIQUE_SIGNING_KEY", "/keys/hf_s3cret.pem")
    row = queue.post()
    queue.dispatcher.run_round()
    (driver,) = queue.dispatcher.drivers
    found = Path(f"/proc/{driver.process.pid}/environ").read_bytes()
    assert b"ALAMBIQUE_RAY_ADDRESS" in found
    assert b"hf_s3cret" not in found
    assert queue.state(row).state is State.RUNNING


def test_a_job_that_nobody_here_can_publish_is_not_begun(queue: Queue) -> None:
    row = queue.post("publish={repository: team/pico}")
    into_a_folder = queue.post("publish={folder: pico}")
    queue.dispatcher.run_round()
    found = queue.state(row)
    assert (found.state, found.reason) == (State.FAILED, Reason.BAD_SPEC)
    assert "ALAMBIQUE_HUB_TOKEN" in (found.message or "")
    assert queue.state(into_a_folder).state is State.RUNNING
