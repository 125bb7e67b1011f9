"""A Redis that dies in the middle of a job: the job goes on from the near tier, and says so."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import torch
from pydantic import SecretStr

from alambique.cache.disk import DiskPacks
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.job import Job
from alambique.spec.settings import Settings
from alambique.spec.states import StageName, State
from alambique.workers.pipeline.context import JobContext
from alambique.workers.queue.driver import run_here

Server = tuple["subprocess.Popen[str]", str]


@pytest.fixture
def doomed(start_redis: Callable[..., "subprocess.Popen[str]"]) -> Iterator[Server]:
    """A Redis of this test's own, and its URL."""
    folder = Path(tempfile.mkdtemp(prefix="alambique-redis-"))
    with start_redis(folder) as process:
        yield process, f"unix://{folder / 'redis.sock'}"
        process.kill()
    shutil.rmtree(folder)


def test_the_job_goes_on_from_the_near_tier(
    settings: Settings,
    database: Database,
    pico: Job,
    doomed: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, url = doomed
    messages: list[str | None] = []
    report = JobContext.report

    def reported(context: JobContext, stage: StageName, fraction: float, **more: Any) -> None:
        report(context, stage, fraction, **more)
        if stage is StageName.CACHE:
            messages.append(more.get("message"))
            server.kill()  # it has just been asked what is missing, and is told nothing any more
            server.wait()

    monkeypatch.setattr(JobContext, "report", reported)
    torch.set_num_threads(1)
    said = settings.model_copy(update={"redis_url": SecretStr(url)})
    posted: list[UUID] = []
    row = run_here(said, database, pico, posted=posted.append)
    assert row.state is State.SUCCEEDED, row.message
    assert (messages[0], messages[-1]) == (
        "60 of 60 outputs to compute",
        "60 of 60 outputs computed",
    )
    with database.read() as session:
        log = [e.content["lines"][0] for e in jobs.logs(session, posted[0])]
    assert any("(Redis) does not answer: going on without" in line for line in log)
    (near,) = DiskPacks(said.home / "cache").usage()
    assert near.records == 60
