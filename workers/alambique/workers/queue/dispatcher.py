"""The dispatcher: gives queued jobs to drivers, one process each, as the cluster has room."""

import logging
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.disk import MAKE_ROOM, is_disk_full
from alambique.spec.errors import BadSpec, LostLease, LostWorker
from alambique.spec.publication import missing_token
from alambique.spec.reading import job_of
from alambique.spec.settings import Settings
from alambique.spec.states import Reason, State
from alambique.workers.compute_resources import (
    ComputeResources,
    needed_resources,
    too_large_message,
)
from alambique.workers.environment import (
    PROGRAM,
    driver_environment,
    ray_environment,
    thread_environment,
)
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.lease_keeper import DISK_FULL, NO_DATABASE

_LOG = logging.getLogger(__name__)

LOOK = 0.5
"""Seconds between two looks at the queue."""
GRACE = 15.0
"""Seconds that all drivers have to release their jobs when the dispatcher stops."""


def dispatch(settings: Settings, *, database: Database, stop: threading.Event) -> None:
    """Give jobs to drivers until `stop` is set; running jobs are released then, to be resumed."""
    os.environ.update(ray_environment(settings.home, os.environ))
    with ExitStack() as stack:
        cluster = _RayCapacity(settings, stack)
        dispatcher = Dispatcher(settings, database, cluster)
        try:
            while not stop.wait(LOOK):
                dispatcher.run_round()
        finally:
            dispatcher.stop()


@dataclass(frozen=True)
class Driver:
    """A driver process, the job that it holds, and the resources that the job takes."""

    row: JobRow
    resources: ComputeResources
    process: "subprocess.Popen[bytes]"
    killed: bool = False
    """Whether this dispatcher killed it: on request, or because another one took its job."""


class Capacity(Protocol):
    """The cluster that drivers connect to."""

    @property
    def address(self) -> str:
        """The address at which drivers find the cluster."""

    @property
    def all(self) -> ComputeResources:
        """All CPUs and GPUs of the cluster, taken or free."""

    def can_never_hold(self, resources: ComputeResources) -> bool:
        """Return whether the cluster is too small for `resources`, and will not grow."""


class Dispatcher:
    """Starts drivers for queued jobs, and records the ends of those that died."""

    def __init__(self, settings: Settings, database: Database, capacity: Capacity) -> None:
        self._settings = settings
        self._database = database
        self._capacity = capacity
        self._drivers: dict[UUID, Driver] = {}
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._database_answers = True
        """Whether the database answered at the last look: its silence is logged once."""
        self._unconfirmed: dict[UUID, int] = {}
        """Jobs that may be held here, by the token: the answer to taking them was lost."""

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """The driver processes whose ends this dispatcher has not recorded yet."""
        return tuple(self._drivers.values())

    def run_round(self) -> None:
        """Record drivers that ended and leases that ran out, kill and start drivers."""
        try:
            self._record_ended_drivers()
            self._release_unconfirmed()
            with self._database.write() as session:
                jobs.reap(session)
            self._kill_unwanted()
            while self._start_next():
                pass
        except SQLAlchemyError as error:
            # a database that restarts comes back: drivers go on meanwhile
            if self._database_answers:
                full = "has no room on its disk" if is_disk_full(error) else "does not answer"
                _LOG.warning("the database %s: %s", full, error)
            self._database_answers = False
        else:
            self._database_answers = True

    def stop(self) -> None:
        """End all drivers; each releases its job."""
        for driver in self._drivers.values():
            driver.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + GRACE
        for driver in self._drivers.values():
            try:
                driver.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _kill(driver)
            self._release(driver)

    def _record_ended_drivers(self) -> None:
        """Forget drivers that have ended; the attempt of one that died fails at once."""
        for driver in [d for d in self._drivers.values() if d.process.poll() is not None]:
            row, code = driver.row, driver.process.returncode
            if driver.killed:
                end = Reason.USER, "killed on request"
            else:
                end = explain_exit_code(code, log=f"logs/{row.id}.log")
            self._fail_attempt(row, *end)
            del self._drivers[row.id]

    def _fail_attempt(self, row: JobRow, reason: Reason, message: str) -> None:
        """Write that an attempt failed, unless its driver has written already how it ended."""
        try:
            with self._database.write() as session:
                # also into the job's log: no driver of it says anything any more
                jobs.note(session, row.id, row.token, "log", {"lines": [message]})
                jobs.fail(session, row.id, row.token, reason, message)
            _LOG.warning("job %s: %s", row.id, message)
        except LostLease:
            _LOG.debug("the driver of job %s said itself how it ended", row.id)

    def _release(self, driver: Driver) -> None:
        """Release a job, back into the queue, unless its driver has done so itself."""
        try:
            with self._database.write() as session:
                jobs.release(session, driver.row.id, driver.row.token)
        except LostLease:
            _LOG.debug("the driver of job %s released it itself", driver.row.id)
        except SQLAlchemyError:
            _LOG.warning("job %s could not be released: its lease will run out", driver.row.id)

    def _kill_unwanted(self) -> None:
        """Kill drivers on request, and those whose lease ran out and whose job was taken away."""
        for driver in list(self._drivers.values()):
            with self._database.read() as session:
                row = jobs.find(session, driver.row.id)
            taken_away = row.state is State.RETRYING or row.token != driver.row.token
            if row.asked == "kill" or taken_away:
                _kill(driver)
                self._drivers[row.id] = replace(driver, killed=True)

    def _release_unconfirmed(self) -> None:
        """Release jobs that may be held here without a driver: their taking got no answer."""
        for job_id, token in list(self._unconfirmed.items()):
            with self._database.write() as session:
                row = jobs.find(session, job_id)
                if (row.holder, row.token) == (self._holder, token):
                    jobs.release(session, job_id, token)
            del self._unconfirmed[job_id]

    def _start_next(self) -> bool:
        """Start the next job if there is room for it; return whether to look for another one.

        The next job alone: if smaller ones overtook it, a large one might wait for ever.
        """
        with self._database.read() as session:
            waiting = jobs.candidates(session, limit=1)
        return any(self._start_driver(row) for row in waiting)

    def _start_driver(self, row: JobRow) -> bool:
        try:
            job = job_of(row.spec)
            needed = needed_resources(job)
        except BadSpec as error:  # of a program of another version
            return self._refuse(row, f"this program cannot read the job: {error}")
        if self._capacity.can_never_hold(needed):
            return self._refuse(row, too_large_message(needed, self._capacity.all))
        # asked here, since drivers have no token
        if job.publish and (why := missing_token(self._settings, job.project, job.publish.target)):
            return self._refuse(row, f"publish: {why}")
        free = self._capacity.all.minus(driver.resources for driver in self._drivers.values())
        # a cluster that others run may grow when it is asked to
        if self._drivers and not free.can_hold(needed):
            return False
        taken = self._take(row)
        if taken is None:
            return False
        try:
            self._drivers[taken.id] = Driver(taken, needed, self._spawn(taken, needed))
        except OSError as error:
            why = f"its driver could not be started: {user_message(error)}"
            self._fail_attempt(taken, reason_of(error), why)
        return True

    def _refuse(self, row: JobRow, why: str) -> bool:
        if taken := self._take(row):
            self._fail_attempt(taken, Reason.BAD_SPEC, why)
        return taken is not None

    def _take(self, row: JobRow) -> JobRow | None:
        """Take a job and return it, held; None: another dispatcher was first."""
        self._unconfirmed[row.id] = row.token + 1
        with self._database.write() as session:
            lease = self._settings.lease_time
            taken = jobs.take(session, self._holder, lease, job_id=row.id)
        del self._unconfirmed[row.id]
        return taken

    def _spawn(self, row: JobRow, resources: ComputeResources) -> "subprocess.Popen[bytes]":
        folder = self._settings.home.absolute() / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        environment = driver_environment(os.environ)
        environment |= {"ALAMBIQUE_RAY_ADDRESS": self._capacity.address}
        environment |= thread_environment(resources, os.environ)
        command = ["drive", str(row.id), str(row.token), "--parent", str(os.getpid())]
        with (folder / f"{row.id}.log").open("ab") as log:
            return subprocess.Popen(
                [*PROGRAM, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )


class _RayCapacity:
    """The Ray cluster of the settings, or a local one that this process keeps."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        # Ray reads its settings while it is imported
        from alambique.workers.ray.connection import connect

        self._cluster = stack.enter_context(connect(settings.ray_address, settings.redis))
        self._is_local = settings.ray_address is None
        self.address = settings.ray_address or self._cluster.address

    @property
    def all(self) -> ComputeResources:
        """All CPUs and GPUs of the cluster, taken or free.

        Raises:
            LostWorker: the local one has ended; the next dispatcher starts another.
        """
        resources = self._cluster.resources
        # a cluster that others run may have none until it is asked for some
        if self._is_local and not resources.cpus:
            raise LostWorker("the Ray of this machine has ended: start this worker again")
        return resources

    def can_never_hold(self, resources: ComputeResources) -> bool:
        """Return whether the local cluster is too small for `resources`."""
        return self._is_local and not self.all.can_hold(resources)


def explain_exit_code(code: int, *, log: str) -> tuple[Reason, str]:
    """Return the reason and the message of a failed attempt by the exit code of its driver.

    Args:
        code: negative where a signal ended it.
        log: where its output is, in the home.
    """
    if code == NO_DATABASE:
        return Reason.NO_DATABASE, "the database did not answer for as long as its lease lasts"
    if code == DISK_FULL:
        return Reason.NO_DISK, f"no space was left to write how it ended: {MAKE_ROOM}"
    if code < 0:
        return Reason.LOST_WORKER, (
            f"the driver process ended with signal {-code}; if nobody stopped it, the machine may "
            "have run out of memory: lower train.batch_size, or raise train.accumulate"
        )
    return Reason.INTERNAL, f"the driver process ended with exit code {code}: see {log} in the home"


def _kill(driver: Driver) -> None:
    """Kill a driver and what it started."""
    os.killpg(driver.process.pid, signal.SIGKILL)
    driver.process.wait()
