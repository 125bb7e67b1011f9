"""The driver: one process that carries a job through its stages."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.errors import Conflict, LostLease
from alambique.spec.job import Job
from alambique.spec.reading import job_of
from alambique.spec.settings import Settings
from alambique.spec.states import Reason, Stage
from alambique.workers.environment import for_ray
from alambique.workers.failures import reason_of, told
from alambique.workers.holding import LOST, Holding
from alambique.workers.logs import into_log, trace_of
from alambique.workers.once import once
from alambique.workers.records import Distilled, Evaluated, Taught
from alambique.workers.stages import distil as distilling
from alambique.workers.stages import evaluate as evaluating
from alambique.workers.stages import teach as teaching
from alambique.workers.stages.cache import cache
from alambique.workers.stages.check import check
from alambique.workers.stages.register import register
from alambique.workers.work import Work

if TYPE_CHECKING:
    from alambique.workers.cluster import Cluster


def drive(settings: Settings, database: Database, job_id: UUID, token: int) -> int:
    """Carries a job, whose lease this process was given, to its end; gives the exit code.

    0: the job is where it should be. 1: the attempt failed, and the registry says why. LOST: the
    job belongs to another driver by now, and nothing was written.
    """
    os.environ.update(for_ray(settings.home, os.environ))
    with database.read() as session:
        job = job_of(jobs.find(session, job_id).spec)
    try:
        with ExitStack() as stack:
            holding = stack.enter_context(_held(settings, database, job_id, token))
            cluster = _Connection(settings, stack)
            work = Work(job_id, token, job, settings, database, holding, cluster)
            return _carried(work)
    except LostLease:
        return LOST


def run_here(settings: Settings, database: Database, job: Job) -> JobRow:
    """Posts a job and carries it to its end in this process: same stages, no server."""
    holder = f"{socket.gethostname()}:{os.getpid()}"
    with database.write() as session:
        posted = jobs.submit(session, job)
        taken = jobs.take(session, holder, settings.lease_time, job_id=posted.id)
    if taken is None:
        raise Conflict(f"job {posted.id} was taken by a running worker: `jobs watch` shows it")
    drive(settings, database, taken.id, taken.token)
    with database.read() as session:
        return jobs.find(session, taken.id)


def stages(work: Work) -> dict[str, Any]:
    """All stages of a job, in their order; gives the table it ends with."""
    checked = check(work)
    taught = once(
        work,
        Stage.TEACH,
        teaching.reads(work, checked),
        Taught,
        lambda folder: teaching.teach(work, checked, folder),
    )
    cached = cache(work, checked, taught.teacher)
    students = [
        student
        for kind in distilling.kinds(work)
        for student in once(
            work,
            Stage.DISTIL,
            distilling.reads(work, checked, taught, kind),
            Distilled,
            lambda folder, kind=kind: distilling.distil(  # type: ignore[misc]
                work, checked, taught, cached, kind, folder
            ),
        ).students
    ]
    trained = [taught.teacher, *students]
    evaluated = once(
        work,
        Stage.EVALUATE,
        evaluating.reads(work, checked, trained),
        Evaluated,
        lambda folder: evaluating.evaluate(work, checked, trained, folder),
    )
    return register(work, checked, trained, evaluated)


def _carried(work: Work) -> int:
    """All stages, and what the registry is told at the end; gives the exit code."""
    with into_log(work):
        try:
            result = stages(work)
        except KeyboardInterrupt:
            return _stopped(work)
        except LostLease:
            raise
        except Exception as error:
            # Ray raises kinds of its own when a training is aborted by our interrupt
            return _stopped(work) if work.holding.asked else _failed(work, error)
    with work.database.write() as session:
        jobs.finish(session, work.id, work.token, result)
    return 0


def _stopped(work: Work) -> int:
    """Somebody asked for the job to end, or this process was told to."""
    with work.database.write() as session:
        if work.holding.asked:
            jobs.fail(session, work.id, work.token, Reason.USER, "cancelled on request")
        else:
            jobs.release(session, work.id, work.token)
    return 0


def _failed(work: Work, error: Exception) -> int:
    reason = reason_of(error)
    if reason in (Reason.INTERNAL, Reason.LOST_WORKER):
        work.log(*trace_of(error))
    with work.database.write() as session:
        jobs.fail(session, work.id, work.token, reason, told(error))
    return 1


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


def _held(settings: Settings, database: Database, job_id: UUID, token: int) -> Holding:
    return Holding(database, job_id, token, lease=settings.lease_time, heartbeat=settings.heartbeat)
