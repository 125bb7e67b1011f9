"""The driver: one process that holds a job, runs its stages, and records how that ended."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.orm import Session

from alambique.registry import jobs, publication_requests
from alambique.registry.database import Database
from alambique.registry.db_errors import is_away
from alambique.registry.job_result import JobResult
from alambique.registry.records import JobRow
from alambique.registry.retry import read, write
from alambique.registry.transitions import HELD
from alambique.spec.combinations import needs_outputs
from alambique.spec.disk import is_disk_full
from alambique.spec.errors import LostLease
from alambique.spec.job import Job
from alambique.spec.pinning import with_names
from alambique.spec.reading import job_of
from alambique.spec.settings import Settings
from alambique.spec.states import Reason
from alambique.workers.environment import ray_environment
from alambique.workers.pipeline.context import JobContext, forward_logs, traceback_lines
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.lease_keeper import (
    DISK_FULL,
    LOST,
    NO_DATABASE,
    RELEASED,
    LeaseKeeper,
)
from alambique.workers.pipeline.provenance import running_code

if TYPE_CHECKING:
    from alambique.workers.ray.cluster import Cluster

_LOG = logging.getLogger(__name__)

_PAUSE = 0.5
"""Seconds between two attempts to take a job that waits to be tried again."""
_GRACE = 15.0
"""Seconds to release the job once the dispatcher has ended."""


def run_driver(
    settings: Settings, database: Database, job_id: UUID, token: int, *, parent: int | None = None
) -> int:
    """Run a job under the lease that the dispatcher took for it, and return the exit code.

    0: the job is over. 1: the attempt failed, and the registry says why. RELEASED: this process
    got SIGTERM, or `parent` has ended, and the job is in the queue again. LOST: another driver has
    the job by now, and nothing was written. NO_DATABASE, DISK_FULL: the end of the attempt could
    not be written to the registry, and the dispatcher does so later.
    """
    # SIGINT too: started in the background of a shell, a process ignores it, and with it a cancel
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        return _hold_job(settings, database, job_id, token, parent=parent)
    except Exception as error:
        if not (is_disk_full(error) or is_away(error)):
            raise
        _LOG.warning("job %s: its end could not be recorded", job_id, exc_info=error)
        return DISK_FULL if is_disk_full(error) else NO_DATABASE


def run_here(
    settings: Settings, database: Database, job: Job, *, posted: Callable[[UUID], None]
) -> JobRow:
    """Post a job and run it to its end in this process: same stages, no server.

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

    find_or_take = partial(_find_or_take, job_id=job_id, holder=holder, lease=settings.lease_time)
    try:
        while True:
            if row is None:
                time.sleep(_PAUSE)  # it is tried again after a while
            elif row.state.over:
                return row
            elif _hold_job(settings, database, job_id, row.token) == RELEASED:
                raise KeyboardInterrupt
            row = write(database, find_or_take, patience=settings.lease)
    except KeyboardInterrupt:
        cancel = partial(_cancel_unless_over, job_id=job_id)
        return write(database, cancel, patience=settings.lease)


def _find_or_take(session: Session, job_id: UUID, holder: str, lease: timedelta) -> JobRow | None:
    """Return the job if it is over or held by `holder`, else take it; None while it must wait."""
    now = jobs.find(session, job_id)
    # held by this process already: it was taken, and the answer to that was lost
    if now.state.over or (now.state in HELD and now.holder == holder):
        return now
    return jobs.take(session, holder, lease, job_id=job_id)


def _cancel_unless_over(session: Session, job_id: UUID) -> JobRow:
    now = jobs.find(session, job_id)
    return now if now.state.over else jobs.cancel(session, job_id)


def _with_absolute_paths(job: Job) -> Job:
    """Return the job with absolute paths: its next attempt may run in another folder."""
    paths = {field: str(Path(path).expanduser().absolute()) for field, path in job.paths()}
    return with_names(job, paths)


def _hold_job(
    settings: Settings, database: Database, job_id: UUID, token: int, *, parent: int | None = None
) -> int:
    """Keep the lease of a job while an attempt at it runs, and return the exit code."""
    try:
        if parent is not None:  # within `try`: a parent that is gone interrupts at once
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
            connection = _RayConnection(settings, stack)
            context = JobContext(job_id, token, job, settings, database, leases, connection)
            return run_attempt(context)
    except LostLease:
        return LOST
    except KeyboardInterrupt:  # before `run_attempt`, which handles interrupts of stages
        return _release_unbegun(settings, database, job_id, token)


def run_attempt(context: JobContext) -> int:
    """Run all stages of a job, record in the registry how that ended, and return the exit code."""
    with forward_logs(context):
        try:
            result = run_stages(context)
            context.leases.stop()
        except (KeyboardInterrupt, SystemExit):  # Ray Train makes the first into the second
            return _release(context)
        except LostLease:
            raise
        except Exception as error:
            # Ray raises kinds of its own when a training is aborted by our interrupt
            return _release(context) if context.leases.asked else _fail(context, error)
    _write_end(context, lambda session: _finish(session, context, result))
    return 0


def _finish(session: Session, context: JobContext, result: JobResult) -> None:
    """End the job as succeeded and ask for its publication, in one transaction."""
    row = jobs.finish(session, context.id, context.token, result.model_dump(mode="json"))
    if context.job.publish is not None:
        publication_requests.request_of_job(session, row, context.job.publish, result)


def run_stages(context: JobContext) -> JobResult:
    """Run all stages of a job, one after the other, and return its result."""
    # torch takes seconds to import, which a short lease would not outlast before it is renewed
    from alambique.workers.publishing.job_check import check_publication, record_repositories
    from alambique.workers.stages.cache import fill_caches
    from alambique.workers.stages.check import check_job
    from alambique.workers.stages.compress import compress_students
    from alambique.workers.stages.distil import train_students
    from alambique.workers.stages.engine_race import race_engines
    from alambique.workers.stages.evaluate import evaluate_models, measure_speeds
    from alambique.workers.stages.register import register_models
    from alambique.workers.stages.table import table_lines
    from alambique.workers.stages.teach import select_teachers

    asked = context.job.publish
    repositories = None if asked is None else check_publication(context, asked)
    running_code()  # hashed now: sources that are edited meanwhile are not those that run here
    context = replace(context, check_result=check_job(context))
    if repositories is None:
        repositories = record_repositories(context)
    context = replace(context, teachers=select_teachers(context))
    if needs_outputs(context.job):
        context = replace(context, outputs=fill_caches(context))
    outcome = None
    if context.job.search is None:
        students, notes_on_missing = train_students(context)
    else:
        from alambique.workers.search.stage import run_search  # Optuna takes seconds to import

        outcome = run_search(context)
        students, notes_on_missing = list(outcome.students), []
    models = [*(teacher.model for teacher in context.teachers), *students]
    lines = table_lines(models, evaluate_models(context, models))
    speeds = measure_speeds(context, [line.model for line in lines])
    compressed = compress_students(context, [line.model for line in lines])
    race = race_engines(context, lines, compressed) if compressed else None
    result = register_models(context, lines, speeds, compressed, race)
    notes = (*notes_on_missing, *result.notes, *(outcome.notes if outcome else ()))
    summary = outcome.summarize(context.job, result) if outcome else None
    more = {"notes": notes, "search": summary, "repositories": repositories}
    return result.model_copy(update=more)


def _release(context: JobContext) -> int:
    """Release the job after an interrupt: a request to cancel it, or the end of this process."""
    context.leases.stop()
    _write_end(context, lambda session: jobs.release(session, context.id, context.token))
    return 0 if context.leases.asked else RELEASED


def _fail(context: JobContext, error: Exception) -> int:
    """Record that the attempt failed, and why."""
    reason, message = reason_of(error), user_message(error)
    context.leases.stop()
    if reason in (Reason.INTERNAL, Reason.LOST_WORKER):
        context.log(*traceback_lines(error))
    _write_end(
        context,
        lambda session: jobs.fail(session, context.id, context.token, reason, message),
    )
    return 1


def _write_end(context: JobContext, write: Callable[[Session], object]) -> None:
    """Record how the job ended, after the lines of its log that could not be written before."""
    with context.unwritten_log.drain() as lines:

        def write_both(session: Session) -> None:
            lines.extend(context.unwritten_log.take())  # logged while the database was waited for
            context.write_log(session, lines)
            write(session)

        context.write(write_both)


def _release_unbegun(settings: Settings, database: Database, job_id: UUID, token: int) -> int:
    """Put a job of which no stage has begun back into the queue."""
    release = partial(jobs.release, job_id=job_id, token=token)
    try:
        row = write(database, release, patience=settings.lease)
        return 0 if row.state.over else RELEASED
    except LostLease:
        return LOST


def _end_with_parent(parent: int) -> None:
    """Release the job once the dispatcher has ended: nothing counts the job's CPUs any more."""
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
