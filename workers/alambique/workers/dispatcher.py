"""The dispatcher: gives queued jobs to drivers, one process each, as the cluster has room."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.errors import LostLease, LostWorker
from alambique.spec.reading import job_of
from alambique.spec.settings import Settings
from alambique.spec.states import Reason, State
from alambique.workers.environment import for_ray
from alambique.workers.holding import GIVEN_BACK, LOST

_LOG = logging.getLogger(__name__)

LOOK = 0.5
"""Seconds between two looks at the queue."""
GRACE = 15.0
"""Seconds that all drivers have to put down their jobs when the dispatcher stops."""


def dispatch(settings: Settings, *, database: Database, stop: threading.Event) -> None:
    """Works until `stop` is set; running jobs are given back then, and go on at the next start."""
    os.environ.update(for_ray(settings.home, os.environ))
    with ExitStack() as stack:
        cluster = _Capacity(settings, stack)
        dispatcher = Dispatcher(settings, database, cluster)
        try:
            while not stop.wait(LOOK):
                dispatcher.look()
        finally:
            dispatcher.stop()


@dataclass(frozen=True, slots=True)
class Room:
    """CPUs and GPUs: what a job needs, or what a cluster has."""

    cpus: float
    gpus: float

    def less(self, others: Iterable["Room"]) -> "Room":
        """What is left of it beside `others`."""
        taken = list(others)
        return Room(
            self.cpus - sum(other.cpus for other in taken),
            self.gpus - sum(other.gpus for other in taken),
        )

    def holds(self, other: "Room") -> bool:
        """Whether there is room for `other`."""
        return self.cpus >= other.cpus and self.gpus >= other.gpus


def needed(row: JobRow) -> Room:
    """What a job takes while it runs."""
    said = job_of(row.spec).resources
    return Room(said.workers * said.cpus, said.workers * said.gpus)


@dataclass(frozen=True)
class Driver:
    """A driver process, and the job it has."""

    row: JobRow
    process: "subprocess.Popen[bytes]"


class Dispatcher:
    """What one dispatcher does at each look."""

    def __init__(self, settings: Settings, database: Database, capacity: "_Capacity") -> None:
        self._settings = settings
        self._database = database
        self._capacity = capacity
        self._drivers: dict[UUID, Driver] = {}
        self._holder = f"{socket.gethostname()}:{os.getpid()}"

    def look(self) -> None:
        """One round: drivers that ended, leases that ran out, jobs to kill, jobs to start."""
        try:
            self._bury()
            with self._database.write() as session:
                jobs.reap(session)
            self._kill_asked()
            while self._start_one():
                pass
        except SQLAlchemyError as error:
            # a database that restarts comes back: drivers go on meanwhile
            _LOG.warning("the database does not answer: %s", type(error).__name__)

    def stop(self) -> None:
        """Ends all drivers; each gives its job back to the queue."""
        for driver in self._drivers.values():
            driver.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + GRACE
        for driver in self._drivers.values():
            try:
                driver.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _end(driver)
            self._give_back(driver)

    def _bury(self) -> None:
        """Takes note of drivers that have ended; one that died gives its job up at once."""
        for driver in [d for d in self._drivers.values() if d.process.poll() is not None]:
            del self._drivers[driver.row.id]
            code = driver.process.returncode
            if code not in (0, 1, LOST, GIVEN_BACK):
                self._lost(driver, code)

    def _lost(self, driver: Driver, code: int) -> None:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        _LOG.warning("the driver of job %s ended with %s", driver.row.id, how)
        try:
            with self._database.write() as session:
                jobs.fail(
                    session,
                    driver.row.id,
                    driver.row.token,
                    Reason.LOST_WORKER,
                    f"the driver process ended with {how}; if nobody stopped it, the machine may "
                    "have run out of memory: lower train.batch_size, or raise train.accumulate",
                )
        except LostLease:
            _LOG.info("job %s was somebody else's already", driver.row.id)

    def _give_back(self, driver: Driver) -> None:
        """For a driver that did not do so itself."""
        try:
            with self._database.write() as session:
                row = jobs.find(session, driver.row.id)
                if row.token == driver.row.token and row.state is State.RUNNING:
                    jobs.release(session, row.id, row.token)
        except (LostLease, SQLAlchemyError):
            _LOG.warning("job %s could not be given back: its lease will run out", driver.row.id)

    def _kill_asked(self) -> None:
        for driver in self._drivers.values():
            with self._database.read() as session:
                row = jobs.find(session, driver.row.id)
            if row.asked == "kill":
                _end(driver)

    def _start_one(self) -> bool:
        """Starts the first job in the queue that there is room for, if there is one."""
        with self._database.read() as session:
            waiting = jobs.candidates(session)
        free = self._capacity.all.less(needed(d.row) for d in self._drivers.values())
        fitting = [row for row in waiting if free.holds(needed(row)) or not self._drivers]
        for row in fitting[:1]:
            with self._database.write() as session:
                taken = jobs.take(session, self._holder, self._settings.lease_time, job_id=row.id)
            if taken is not None:
                self._drivers[taken.id] = Driver(taken, self._spawned(taken))
                return True
        return False

    def _spawned(self, row: JobRow) -> "subprocess.Popen[bytes]":
        folder = self._settings.home.absolute() / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"ALAMBIQUE_RAY_ADDRESS": self._capacity.address}
        with (folder / f"{row.id}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "alambique.cli", "drive", str(row.id), str(row.token)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )


class _Capacity:
    """The cluster that drivers connect to: the one of the settings, or a local one, kept here."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        # Ray reads its settings while it is imported
        from alambique.workers.cluster import connected

        self._cluster = stack.enter_context(connected(settings.ray_address))
        self._kept_here = settings.ray_address is None
        self.address = settings.ray_address or self._cluster.address

    @property
    def all(self) -> Room:
        """What the cluster has.

        Raises:
            LostWorker: the local one is gone; it comes back with the next dispatcher.
        """
        found = Room(*self._cluster.size())
        # a cluster of somebody else's may have none until it is asked for some
        if self._kept_here and not found.cpus:
            raise LostWorker("the Ray of this machine has ended: start this worker again")
        return found


def _end(driver: Driver) -> None:
    """Ends a driver and what it started, now."""
    os.killpg(driver.process.pid, signal.SIGKILL)
    driver.process.wait()
