"""Following a suite: a line whenever one of its jobs comes to another state or stage."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from alambique.api.client import Client
from alambique.api.views import SuiteJob, SuiteView
from alambique.cli.suite_reports import cell_name
from alambique.cli.tables import duration, printable
from alambique.spec.states import State

LOOK = 2.0
"""Seconds between two looks."""


ChangeLines = Callable[[SuiteView | None, SuiteView], Iterable[str]]
"""The lines to print when a suite that stood so (None: nobody looked yet) stands so now."""


def follow(
    client: Client, suite_id: UUID, lines_of: ChangeLines, *, pause: float = LOOK
) -> SuiteView:
    """The suite once it is over; until then its news are printed."""
    before: SuiteView | None = None
    while True:
        suite = client.outlast(lambda: client.suite(suite_id, table=False))
        for line in lines_of(before, suite):
            print(line, flush=True)
        if suite.over:
            return client.outlast(lambda: client.suite(suite_id))
        before = suite
        time.sleep(pause)


def text_lines(before: SuiteView | None, now: SuiteView) -> Iterator[str]:
    """Return the lines for people."""
    return change_lines(before, now, at=datetime.now(UTC))


def json_lines(before: SuiteView | None, now: SuiteView) -> Iterator[str]:
    """Return the lines for programs: each job that is not where it was."""
    return (job.model_dump_json() for job in _changed_jobs(before, now))


def no_lines(before: SuiteView | None, now: SuiteView) -> Iterable[str]:
    """Return no lines, for programs that are told once, how it ended."""
    return ()


def change_lines(before: SuiteView | None, now: SuiteView, *, at: datetime) -> Iterator[str]:
    """Yield a line for each job that is not where it was, with how many are over and time left."""
    for job in _changed_jobs(before, now):
        line = printable(f"{cell_name(job.cell)}: {_state_text(job)}")
        yield f"{at:%H:%M:%S}  {_progress_text(now, at)}  {line}"


def _changed_jobs(before: SuiteView | None, now: SuiteView) -> Iterator[SuiteJob]:
    known = {job.id: (job.state, job.stage) for job in before.jobs} if before else {}
    for job in now.jobs:
        if known.get(job.id, (State.QUEUED, None)) != (job.state, job.stage):
            yield job


def _state_text(job: SuiteJob) -> str:
    if job.state.over and job.message:
        return f"{job.state}: {job.message}"
    return f"{job.state}, {job.stage}" if job.stage and not job.state.over else str(job.state)


def _progress_text(suite: SuiteView, at: datetime) -> str:
    over = sum(job.state.over for job in suite.jobs)
    left = remaining(at - suite.created_at, over, len(suite.jobs))
    ends = f", about {duration(left)} left" if left else ""
    return f"{over} of {len(suite.jobs)}{ends}"


def remaining(passed: timedelta, over: int, jobs: int) -> float | None:
    """Seconds that the other jobs take at the pace of those that are over.

    >>> remaining(timedelta(minutes=10), 2, 6)
    1200.0
    """
    return passed.total_seconds() / over * (jobs - over) if over else None
