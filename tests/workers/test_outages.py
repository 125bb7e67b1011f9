"""A database that is away for a moment: whoever needs it waits, and nothing is done otherwise."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import Reason, StageName, State
from alambique.workers.pipeline.context import JobContext, forward_logs
from alambique.workers.pipeline.lease_keeper import NO_DATABASE
from alambique.workers.pipeline.records import CodeVersion, StageResult
from alambique.workers.pipeline.stage import StagePart, run_stage
from alambique.workers.queue.driver import run_attempt, run_driver, run_here

Away = Callable[[SecretStr], AbstractContextManager[None]]
MakeContext = Callable[..., JobContext]
PICO = (Path(__file__).parents[2] / "recipes" / "pico.yaml").read_text()


class Outage(logging.Handler):
    """Cuts a database off, and lets it answer again once somebody says that he waits for it."""

    def __init__(self, away: Away, url: SecretStr) -> None:
        super().__init__()
        self._away, self._url = away, url
        self._lasting = ExitStack()
        self.waited = 0

    def begin(self) -> None:
        self._lasting.enter_context(self._away(self._url))

    def emit(self, record: logging.LogRecord) -> None:
        if "waiting for it" in record.getMessage():
            self.waited += 1
            self._lasting.close()


@pytest.fixture
def outage(away: Away, on_server: SecretStr) -> Iterator[Outage]:
    handler, logger = Outage(away, on_server), logging.getLogger("alambique.registry.retry")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    handler.close()


class Given(StageResult):
    """What the stage of these tests gives."""

    number: int = 7

    def with_code(self, made_by: tuple[CodeVersion, ...]) -> "Given":
        return self


CHECK = StagePart(StageName.CHECK, "check")


@dataclass(frozen=True)
class InOutage:
    """A stage in which the database goes away."""

    outage: Outage
    part: StagePart = CHECK
    result_type: type[Given] = Given

    def key_inputs(self, context: JobContext) -> Mapping[str, Any]:
        return {"a": 1}

    def run(self, context: JobContext, folder: Path) -> Given:
        self.outage.begin()
        context.log("said while nobody could hear it")
        context.report(StageName.CHECK, 0.5)
        return Given()


def logged(job: JobContext) -> list[str]:
    with job.database.read() as session:
        events = jobs.notes(session, job.id, "log")
    return [line for event in events for line in event.content["lines"]]


def test_a_stage_goes_through_an_outage(
    job_context: MakeContext, outage: Outage, on_server: SecretStr
) -> None:
    """At its name, at its doing, at what it gives, and at another name again."""
    job = job_context(database_url=on_server)
    with job.leases:
        outage.begin()
        assert run_stage(job, InOutage(outage)) == Given()
        outage.begin()
        assert run_stage(job, InOutage(outage)) == Given()
        outage.begin()
        assert job.leases.take(["a", "b"]) == ["a", "b"]
        outage.begin()
    assert outage.waited == 5
    assert logged(job) == [
        "said while nobody could hear it",
        f"check: done before, by job {job.id}",
    ]
    job.database.dispose()


def test_a_job_waits_at_its_start_and_is_attempted_once(
    tmp_path: Path, outage: Outage, on_server: SecretStr
) -> None:
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.conll").write_text("Ana B-PER\nJaén\n")
    settings = Settings(home=tmp_path / "home", database_url=on_server)
    database = Database(settings.database)
    database.upgrade()
    job = read_job(PICO, [f"data.name={tmp_path}"])
    row = run_here(settings, database, job, posted=lambda _: outage.begin())
    assert (row.state, row.reason, row.attempts) == (State.FAILED, Reason.BAD_DATA, 1)
    assert outage.waited == 1
    database.dispose()


def test_a_driver_that_gets_no_answer_says_so_with_its_exit_code(
    tmp_path: Path, away: Away, on_server: SecretStr
) -> None:
    settings = Settings(home=tmp_path, database_url=on_server, lease=0.3, heartbeat=0.1)
    database = Database(settings.database)
    database.upgrade()
    with away(on_server):
        assert run_driver(settings, database, UUID(int=0), 1) == NO_DATABASE
    database.dispose()


def test_lines_that_could_not_be_written_are_there_at_the_end(
    job_context: MakeContext, away: Away, on_server: SecretStr
) -> None:
    job = job_context(database_url=on_server)
    with job.leases, forward_logs(job):
        with away(on_server):
            job.log("one", "two")
            logging.getLogger("alambique.test").warning("three")
        job.log("four")
    assert logged(job) == ["one", "two", "warning: three", "four"]
    job.database.dispose()


def test_lines_outlast_an_end_that_could_not_be_written(
    job_context: MakeContext, away: Away, on_server: SecretStr
) -> None:
    job = job_context("data.name=/nowhere", database_url=on_server, lease=0.3, heartbeat=0.1)
    with job.leases:
        with away(on_server):
            job.log("one")
            with pytest.raises(OperationalError):
                run_attempt(job)
        job.log("two")
    assert [line for line in logged(job) if not line.startswith("warning: ")] == ["one", "two"]
    job.database.dispose()


def test_an_interrupt_loses_no_line(job_context: MakeContext) -> None:
    job = job_context()

    def interrupt(_: object) -> None:
        event.remove(Session, "before_commit", interrupt)
        raise KeyboardInterrupt

    with job.leases:
        event.listen(Session, "before_commit", interrupt)
        with pytest.raises(KeyboardInterrupt):
            job.log("one")
        job.log("two")
    assert logged(job) == ["one", "two"]
    job.database.dispose()


def test_a_name_is_held_though_the_answer_was_lost(
    job_context: MakeContext, lost_answer: Callable[[int], None]
) -> None:
    mine, other = job_context(), job_context()
    with mine.leases, other.leases:
        lost_answer(0)
        assert mine.leases.take(["a"]) == ["a"]
        assert other.leases.take(["a"]) == []
        lost_answer(0)
        mine.leases.release(["a"])
        assert other.leases.take(["a"]) == ["a"]


@pytest.mark.parametrize("others", range(4))
def test_a_job_ends_alike_whichever_answer_was_lost(
    tmp_path: Path, lost_answer: Callable[[int], None], others: int
) -> None:
    """To its first renewal, to what it says of its progress, or to its end."""
    settings = Settings(home=tmp_path / "home")
    database = Database(settings.database)
    database.upgrade()
    job = read_job(PICO, ["data.name=/nowhere"])
    row = run_here(settings, database, job, posted=lambda _: lost_answer(others))
    assert (row.state, row.reason, row.attempts) == (State.FAILED, Reason.NO_DATA, 1)
