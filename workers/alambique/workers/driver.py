"""The driver: one process that holds a job and carries it to its end."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.errors import LostLease
from alambique.spec.job import Job
from alambique.spec.reading import job_of
from alambique.spec.settings import Settings
from alambique.workers.environment import for_ray
from alambique.workers.holding import GIVEN_BACK, LOST, Holding
from alambique.workers.work import Work

if TYPE_CHECKING:
    from alambique.workers.cluster import Cluster

_PAUSE = 0.5
"""Seconds between two tries to take a job that waits for its next attempt."""


def drive(settings: Settings, database: Database, job_id: UUID, token: int) -> int:
    """Carries a job, whose lease this process was given, to its end; gives the exit code.

    0: the job is over. 1: the attempt failed, and the registry says why. GIVEN_BACK: this process
    was told to stop (SIGTERM), and the job is in the queue again. LOST: the job belongs to another
    driver by now, and nothing was written.
    """
    # SIGINT too: started in the background of a shell, a process ignores it, and with it a cancel
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    return _drive(settings, database, job_id, token)


def run_here(
    settings: Settings, database: Database, job: Job, *, posted: Callable[[UUID], None]
) -> JobRow:
    """Posts a job and carries it to its end in this process: same stages, no server.

    Interrupted (Ctrl-C), the job is cancelled; what its stages have done stays for the next one.

    Args:
        settings: of this process.
        database: the registry.
        job: what to do.
        posted: called with the job's id before anything is done.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}"
    with database.write() as session:
        row = jobs.submit(session, job)
    posted(row.id)
    while not row.state.over:
        with database.write() as session:
            taken = jobs.take(session, holder, settings.lease_time, job_id=row.id)
        if taken is None:
            time.sleep(_PAUSE)  # it is tried again after a while
        elif _drive(settings, database, taken.id, taken.token) == GIVEN_BACK:
            with database.write() as session:
                jobs.cancel(session, row.id)
        with database.read() as session:
            row = jobs.find(session, row.id)
    return row


def _drive(settings: Settings, database: Database, job_id: UUID, token: int) -> int:
    os.environ.update(for_ray(settings.home, os.environ))
    with database.read() as session:
        job = job_of(jobs.find(session, job_id).spec)
    try:
        with ExitStack() as stack:
            holding = stack.enter_context(_held(settings, database, job_id, token))
            cluster = _Connection(settings, stack)
            # torch takes seconds to import, which a short lease would not outlast unrenewed
            from alambique.workers.carrying import carry

            return carry(Work(job_id, token, job, settings, database, holding, cluster))
    except LostLease:
        return LOST


def _held(settings: Settings, database: Database, job_id: UUID, token: int) -> Holding:
    return Holding(database, job_id, token, lease=settings.lease_time, heartbeat=settings.heartbeat)


class _Connection:
    """Ray for one job: connected at the first use, for all stages, until the job is over."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._cluster: Cluster | None = None

    @contextmanager
    def __call__(self) -> Iterator["Cluster"]:
        if self._cluster is None:
            from alambique.workers.cluster import connected

            self._cluster = self._stack.enter_context(connected(self._settings.ray_address))
        yield self._cluster
