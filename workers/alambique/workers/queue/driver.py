"""The driver: one process that holds a job and carries it to its end."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.orm import Session

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.db_errors import is_away
from alambique.registry.records import JobRow
from alambique.registry.retry import read, write
from alambique.registry.transitions import HELD
from alambique.spec.disk import is_disk_full
from alambique.spec.errors import LostLease
from alambique.spec.job import Job
from alambique.spec.pinning import with_names
from alambique.spec.reading import job_of
from alambique.spec.settings import Settings
from alambique.workers.environment import ray_environment
from alambique.workers.pipeline.lease_keeper import (
    GIVEN_BACK,
    LOST,
    NO_ANSWER,
    NO_ROOM,
    LeaseKeeper,
)

if TYPE_CHECKING:
    from alambique.workers.ray.cluster import Cluster

_LOG = logging.getLogger(__name__)

_PAUSE = 0.5
"""Seconds between two tries to take a job that waits for its next attempt."""
_GRACE = 15.0
"""Seconds to put the job down when the dispatcher has gone."""


def drive(
    settings: Settings, database: Database, job_id: UUID, token: int, *, parent: int | None = None
) -> int:
    """Carry a job, whose lease this process was given, to its end, and return the exit code.

    0: the job is over. 1: the attempt failed, and the registry says why. GIVEN_BACK: this process
    was told to stop (SIGTERM), or `parent` has ended, and the job is in the queue again. LOST: the
    job belongs to another driver by now, and nothing was written. NO_ANSWER, NO_ROOM: the registry
    could not be told how the attempt ended, and the dispatcher tells it later.
    """
    # SIGINT too: started in the background of a shell, a process ignores it, and with it a cancel
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        return _attempt(settings, database, job_id, token, parent=parent)
    except Exception as error:
        if not (is_disk_full(error) or is_away(error)):
            raise
        _LOG.warning("job %s: its end could not be told", job_id, exc_info=error)
        return NO_ROOM if is_disk_full(error) else NO_ANSWER


def run_here(
    settings: Settings, database: Database, job: Job, *, posted: Callable[[UUID], None]
) -> JobRow:
    """Post a job and carry it to its end in this process: same stages, no server.

    Interrupted (Ctrl-C), the job is cancelled; what its stages have done stays for the next one.

    Args:
        settings: of this process.
        database: the registry.
        job: what to do.
        posted: called with the job's id before anything is done.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}"
    with database.write() as session:  # held at once: a worker of the same registry leaves it alone
        job_id = jobs.submit(session, _with_absolute_paths(job)).id
        row = jobs.take(session, holder, settings.lease_time, job_id=job_id)
    posted(job_id)

    def find_or_take(session: Session) -> JobRow | None:
        """Return the job where it is over or held here; None while it waits for an attempt."""
        now = jobs.find(session, job_id)
        # held here already: it was taken, and the answer to that was lost
        if now.state.over or (now.state in HELD and now.holder == holder):
            return now
        return jobs.take(session, holder, settings.lease_time, job_id=job_id)

    try:
        while True:
            if row is None:
                time.sleep(_PAUSE)  # it is tried again after a while
            elif row.state.over:
                return row
            elif _attempt(settings, database, job_id, row.token) == GIVEN_BACK:
                raise KeyboardInterrupt
            row = write(database, find_or_take, patience=settings.lease)
    except KeyboardInterrupt:
        cancel = partial(_cancel_unless_over, job_id=job_id)
        return write(database, cancel, patience=settings.lease)


def _cancel_unless_over(session: Session, job_id: UUID) -> JobRow:
    now = jobs.find(session, job_id)
    return now if now.state.over else jobs.cancel(session, job_id)


def _with_absolute_paths(job: Job) -> Job:
    """Return the job with its paths from the root: whoever goes on with it may stand elsewhere."""
    paths = {field: str(Path(path).expanduser().absolute()) for field, path in job.paths()}
    return with_names(job, paths)


def _attempt(
    settings: Settings, database: Database, job_id: UUID, token: int, *, parent: int | None = None
) -> int:
    """Run the stages of a job that is held under a token, and return the exit code."""
    try:
        if parent is not None:  # in here: where it is gone already, that is an interrupt at once
            threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
        os.environ.update(ray_environment(settings.home, os.environ))
        row = read(database, lambda session: jobs.find(session, job_id), patience=settings.lease)
        job = job_of(row.spec)
        if not job.resources.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray may have given them to another job
        keeper = LeaseKeeper(
            database, job_id, token, lease=settings.lease_time, heartbeat=settings.heartbeat
        )
        with ExitStack() as stack:
            leases = stack.enter_context(keeper)
            # torch takes seconds to import, which a short lease would not outlast unrenewed
            from alambique.workers.pipeline.context import JobContext
            from alambique.workers.queue.attempt import run_job

            connection = _RayConnection(settings, stack)
            return run_job(JobContext(job_id, token, job, settings, database, leases, connection))
    except LostLease:
        return LOST
    except KeyboardInterrupt:  # before the stages began, which see to interrupts themselves
        return _give_back(settings, database, job_id, token)


def _give_back(settings: Settings, database: Database, job_id: UUID, token: int) -> int:
    """Put a job that was not begun back into the queue."""
    release = partial(jobs.release, job_id=job_id, token=token)
    try:
        row = write(database, release, patience=settings.lease)
        return 0 if row.state.over else GIVEN_BACK
    except LostLease:
        return LOST


def _end_with_parent(parent: int) -> None:
    """Give the job back once the dispatcher is gone, which counted its CPUs, however it ended."""
    while os.getppid() == parent:
        time.sleep(_PAUSE)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(LOST)


class _RayConnection:
    """Ray for one job: connected at the first use, for all stages, until the job is over."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._cluster: Cluster | None = None

    @contextmanager
    def __call__(self) -> Iterator["Cluster"]:
        if self._cluster is None:
            from alambique.workers.ray.connection import connect

            address, redis = self._settings.ray_address, self._settings.redis
            self._cluster = self._stack.enter_context(connect(address, redis))
        yield self._cluster
