"""Keeping a job's lease, and the leases of what it computes, while the job is being worked on."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from alambique.registry import jobs, leases
from alambique.registry.database import Database
from alambique.registry.records import Asked, Lease
from alambique.spec.errors import LostLease

_LOG = logging.getLogger(__name__)

LOST = 75
"""The exit code of a driver whose job belongs to another by now."""

GIVEN_BACK = 76
"""The exit code of a driver that was told to stop, and put its job back into the queue."""


class Holding:
    """Renews the leases of a job from a thread of its own, which training cannot block.

    Used as a context manager by the main thread. When somebody asks for the job to end, the main
    thread is interrupted (KeyboardInterrupt, SIGINT's own way) and `asked` says why.
    """

    def __init__(
        self, database: Database, job_id: UUID, token: int, *, lease: timedelta, heartbeat: float
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._token = token
        self._lease = lease
        self._heartbeat = heartbeat
        self._held: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.asked: Asked | None = None

    def __enter__(self) -> Self:
        """Starts the heartbeat; leases of an earlier attempt at this job are free again.

        Raises:
            LostLease: the job belongs to another driver already.
        """
        with self._database.write() as session:
            jobs.renew(session, self._job_id, self._token, self._lease)
            leases.forget(session, self._holder)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops the heartbeat and frees what is held beside the job itself."""
        self.stop()
        self.let_go(list(self._held))

    def stop(self) -> None:
        """No heartbeat any more: the job is about to end, and must not be missed then."""
        self._over.set()
        self._thread.join()

    def take(self, names: Sequence[str]) -> list[str]:
        """Those of `names` that are now held."""
        with self._lock, self._database.write() as session:
            got = leases.take(session, names, self._holder, self._lease)
            self._held |= {lease.name: lease for lease in got}
        return [lease.name for lease in got]

    def let_go(self, names: Sequence[str]) -> None:
        """Frees `names`."""
        with self._lock, self._database.write() as session:
            leases.drop(session, [self._held.pop(name) for name in names if name in self._held])

    def wait_for(self, names: Sequence[str], waiting: Callable[[], None]) -> None:
        """Holds all of `names`; calls `waiting` once where another job has one of them."""
        left = set(names).difference(self.take(names))
        if left:
            waiting()
        while left:
            time.sleep(min(1.0, self._heartbeat))
            left.difference_update(self.take(list(left)))

    @property
    def _holder(self) -> str:
        return f"job:{self._job_id}"

    def _beat(self) -> None:
        renewed = time.monotonic()
        while not self._over.wait(self._heartbeat):
            began = time.monotonic()
            try:
                self._renew()
                renewed = began
            except LostLease:
                self._leave()
            except SQLAlchemyError as error:
                # a database that restarts comes back; but past the lease the job is not ours
                _LOG.warning("the database does not answer: %s", type(error).__name__)
                if time.monotonic() - renewed > self._lease.total_seconds():
                    self._leave()

    def _leave(self) -> None:
        """Ends this process at once: two drivers must not work on one job."""
        with suppress(OSError):  # not by the log, which goes to a database that may not answer
            sys.stderr.write(f"job {self._job_id} belongs to another driver by now: stopping\n")
            sys.stderr.flush()
        os._exit(LOST)

    def _reap(self) -> None:
        """Sees to deadlines, also of this job, where nobody dispatches."""
        try:
            with self._database.write() as session:
                jobs.reap(session)
        except LookupError as error:  # a row of a newer program, which is not for this one
            _LOG.warning("a job cannot be read: %s", error)

    def _renew(self) -> None:
        with self._database.write() as session:
            jobs.renew(session, self._job_id, self._token, self._lease)
        self._reap()
        with self._database.write() as session:
            asked = jobs.renew(session, self._job_id, self._token, self._lease)
        with self._lock, self._database.write() as session:
            kept = leases.renew(session, list(self._held.values()), self._lease)
            lost = len(kept) < len(self._held)
        if lost:
            raise LostLease(f"job {self._job_id} was silent, and another does its stage by now")
        if asked and not self.asked:
            self.asked = asked
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
