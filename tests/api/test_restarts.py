"""Commands that watch, over a restart of the server."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE
from uuid import UUID

import pytest

from alambique.registry import jobs, suites
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.job import Job
from alambique.spec.matrix import jobs_of
from alambique.spec.settings import Settings
from alambique.spec.states import StageName
from alambique.spec.suite import suite_of

PROGRAM = str(Path(sys.executable).with_name("alambique"))
Serve = Callable[[Settings, int], AbstractContextManager[str]]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(free_port: int, settings: Settings) -> Iterator[Start]:
    """Starts the program as a client of the server at the free port."""
    own = {name: value for name, value in os.environ.items() if "ALAMBIQUE" not in name}
    own |= {"ALAMBIQUE_URL": f"http://127.0.0.1:{free_port}", "ALAMBIQUE_HOME": str(settings.home)}
    with ExitStack() as stack:

        def popen(*arguments: object) -> "subprocess.Popen[str]":
            command = [PROGRAM, *map(str, arguments)]
            process = subprocess.Popen(command, env=own, stdout=PIPE, stderr=PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield popen


def taken(database: Database, job_id: UUID) -> JobRow:
    with database.write() as session:
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=job_id)
    assert row is not None
    with database.write() as session:
        jobs.record_progress(session, row.id, row.token, stage=StageName.CHECK, fraction=0.0)
    return row


def line(process: "subprocess.Popen[str]", word: str, *, err: bool = False) -> None:
    """Reads on until a line has that word."""
    stream = process.stderr if err else process.stdout
    assert stream is not None
    for said in stream:
        if word in said:
            return
    raise AssertionError(f"no line with {word!r}")


def test_what_watches_goes_on_when_the_server_is_back(
    start: Start, serve: Serve, settings: Settings, database: Database, job: Job, free_port: int
) -> None:
    suite = suite_of(
        {
            "name": "one",
            "project": job.project,
            "shared": {"teacher": job.teachers[0].spec.model_dump(mode="json", exclude_unset=True)},
            "tasks": {"ner": {"task": job.task, "data": job.data.name}},
            "students": {"small": {"layers": 1}},
        }
    )
    with database.write() as session:
        single = jobs.submit(session, job)
        many = suites.submit(session, suite, jobs_of(suite))
    with database.read() as session:
        (member,) = suites.jobs_in(session, many.id)
    rows = [taken(database, job_id) for job_id in (single.id, member.id)]
    watching = (
        ("jobs", "watch", single.id),
        ("jobs", "watch", "tiny", "--project", job.project, "--json"),
        ("suites", "watch", "one", "--project", job.project),
    )
    with serve(settings, free_port):
        processes = [start(*command) for command in watching]
        for process in processes:
            line(process, "check")
    for process in processes:
        line(process, "waiting until it answers", err=True)
    for row in rows:
        with database.write() as session:
            jobs.finish(session, row.id, row.token, {"rows": [], "primary": "f1"})
    with serve(settings, free_port):
        ended = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert all("succeeded" in out for out, _ in ended)
    assert [err for _, err in ended] == ["the server answers again\n"] * 3
