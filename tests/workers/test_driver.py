"""Drivers without a dispatcher: told to stop, left alone, and with a job that fails."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import Reason, StageName, State
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.lease_keeper import RELEASED
from alambique.workers.queue.driver import run_here

MakeContext = Callable[..., JobContext]
PICO = (Path(__file__).parents[2] / "recipes" / "pico.yaml").read_text()
ONE = str(Path("./one").absolute())
LONG = ("teacher.train.epochs=10000", "teacher.train.patience=10000")


@contextmanager
def driver(job_context: JobContext, parent: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A driver of that job, started as the dispatcher does, which `parent` is the process of."""
    command = [
        sys.executable,
        "-m",
        "alambique.cli",
        "drive",
        str(job_context.id),
        str(job_context.token),
    ]
    variables = os.environ | {
        "ALAMBIQUE_HOME": str(job_context.settings.home),
        "OMP_NUM_THREADS": "1",
    }
    with subprocess.Popen([*command, "--parent", str(parent)], env=variables) as process:
        try:
            yield process
        finally:
            process.kill()


def found(job_context: JobContext) -> JobRow:
    with job_context.database.read() as session:
        return jobs.find(session, job_context.id)


def trains(job_context: JobContext, process: "subprocess.Popen[bytes]") -> None:
    """Comes back once the registry says that the teacher learns and has been validated.

    Before that, validating imports scipy, which runs pieces of text: after an interrupt in there
    `python -m` ends with SIGINT's code (`unhandled_keyboard_interrupt` in its pythonrun.c).
    """
    pause = threading.Event()
    while (row := found(job_context)).stage is not StageName.TEACH or row.metric is None:
        assert process.poll() is None
        pause.wait(0.05)


@pytest.mark.slow  # the stopped server's driver is told so too
def test_a_driver_that_is_told_to_stop_gives_its_job_back(job_context: MakeContext) -> None:
    job = job_context(*LONG)
    with driver(job, parent=os.getpid()) as process:
        trains(job, process)
        process.terminate()
        assert process.wait(120) == RELEASED
    row = found(job)
    assert (row.state, row.reason, row.attempts) == (State.QUEUED, Reason.SHUTDOWN, 0)


def test_a_driver_whose_dispatcher_is_gone_gives_its_job_back(job_context: MakeContext) -> None:
    job = job_context(*LONG)
    with driver(job, parent=os.getppid()) as process:  # not its own: it was left to another
        assert process.wait(120) == RELEASED
    row = found(job)
    assert (row.state, row.reason, row.attempts) == (State.QUEUED, Reason.SHUTDOWN, 0)


def test_a_job_over_broken_data_fails_at_once_and_says_where(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.conll").write_text("Ana B-PER\n")
    (tmp_path / "dev.conll").write_text("Ana B-PER\nJaén\n")
    settings = Settings(home=tmp_path / "home")
    database = Database(settings.database)
    database.upgrade()
    job = read_job(PICO, [f"data.name={tmp_path}"])
    row = run_here(settings, database, job, posted=lambda _: None)
    assert (row.state, row.reason, row.attempts) == (State.FAILED, Reason.BAD_DATA, 1)
    assert f"{tmp_path / 'dev.conll'}:2: 1 columns in 'Jaén'" in (row.message or "")


def test_paths_of_candidates_are_put_down_from_the_root(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    database = Database(settings.database)
    database.upgrade()
    job = read_job(PICO, ["teacher={candidates: [./one, mini, {model: ../two}]}"])
    row = run_here(settings, database, job, posted=lambda _: None)
    first, second, third = row.spec["teacher"]["candidates"]
    assert (first, second) == (str(Path("./one").absolute()), "mini")
    assert third["model"] == str(Path("../two").absolute())
    assert (row.state, row.reason) == (State.FAILED, Reason.BAD_SPEC)
    assert str(row.message).startswith("teacher.candidates.0: ")


@pytest.mark.parametrize(
    ("space", "rooted"),
    [
        ("student.start: [random, ./one]", ["random", ONE]),
        (
            "student: [{start: ./one, layers: 1}, {layers: 2}]",
            [{"start": ONE, "layers": 1}, {"layers": 2}],
        ),
    ],
)
def test_paths_in_a_search_are_put_down_from_the_root(
    tmp_path: Path, space: str, rooted: list[Any]
) -> None:
    settings = Settings(home=tmp_path / "home")
    database = Database(settings.database)
    database.upgrade()
    job = read_job(PICO, ["student.start=./one", f"search={{space: {{{space}}}, sampler: grid}}"])
    row = run_here(settings, database, job, posted=lambda _: None)
    assert str(row.message).startswith(f"there is no folder {ONE}: ")
    assert list(row.spec["search"]["space"].values()) == [rooted]


def test_a_repository_that_the_hub_does_not_take_is_refused_at_once(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    database = Database(settings.database)
    database.upgrade()
    job = read_job(PICO, ["publish={repository: team/a--b}"])
    row = run_here(settings, database, job, posted=lambda _: None)
    assert (row.state, row.reason) == (State.FAILED, Reason.BAD_SPEC)
    assert str(row.message).startswith("publish.repository: ")
