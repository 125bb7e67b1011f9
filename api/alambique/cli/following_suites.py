"""Following a suite: a line whenever one of its jobs comes to another state or stage."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from alambique.api.client import PATIENCE, Client
from alambique.api.suite_views import SuiteJob, SuiteView
from alambique.api.transport import NoServer
from alambique.cli.suite_reports import place
from alambique.cli.tables import duration

LOOK = 2.0
"""Seconds between two looks."""


def follow(
    client: Client, suite_id: UUID, *, quiet: bool = False, pause: float = LOOK
) -> SuiteView:
    """The suite once it is over; until then its news are printed, unless it is to be quiet."""
    before: SuiteView | None = None
    while True:
        suite = _seen(client, suite_id, pause)
        if not quiet:
            for line in news(before, suite, at=datetime.now(UTC)):
                print(line, flush=True)
        if suite.over:
            return client.suite(suite_id)
        before = suite
        time.sleep(pause)


def _seen(client: Client, suite_id: UUID, pause: float) -> SuiteView:
    """The suite as it stands; a server that restarts is waited for."""
    for _ in range(PATIENCE):
        try:
            return client.suite(suite_id, table=False)
        except NoServer:
            time.sleep(pause)
    return client.suite(suite_id, table=False)


def news(before: SuiteView | None, now: SuiteView, *, at: datetime) -> Iterator[str]:
    """A line for each job that is not where it was; with how many are over, and what is left."""
    known = {job.id: (job.state, job.stage) for job in before.jobs} if before else {}
    for job in now.jobs:
        if known.get(job.id, ("queued", None)) != (job.state, job.stage):
            yield f"{at:%H:%M:%S}  {_standing(now, at)}  {place(job.cell)}: {_told(job)}"


def _told(job: SuiteJob) -> str:
    if job.state.over and job.message:
        return f"{job.state}: {job.message}"
    return f"{job.state}, {job.stage}" if job.stage and not job.state.over else str(job.state)


def _standing(suite: SuiteView, at: datetime) -> str:
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
