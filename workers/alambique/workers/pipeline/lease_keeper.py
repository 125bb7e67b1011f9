"""Renews the lease of a job, and the leases of what it computes, while the job runs."""

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
from sqlalchemy.orm import Session

from alambique.registry import jobs, leases
from alambique.registry.database import Database
from alambique.registry.db_errors import is_away
from alambique.registry.records import Asked, Lease
from alambique.registry.retry import with_retry, write
from alambique.spec.disk import is_disk_full
from alambique.spec.errors import LostLease

_LOG = logging.getLogger(__name__)

LOST = 75
"""The exit code of a driver whose job another driver holds by now."""

RELEASED = 76
"""The exit code of a driver that got SIGTERM, and put its job back into the queue."""

NO_DATABASE = 77
"""The exit code of a driver whose database did not answer for as long as its lease lasts."""

DISK_FULL = 78
"""The exit code of a driver that could not write how its job ended: the disk is full."""

_PATIENCE = 0.9
"""The part of a lease for which the heartbeat waits for a database that does not answer."""

_PAUSE = 1.0
"""Seconds between two attempts to renew a lease while the database does not answer."""


class LeaseKeeper:
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
        self._unconfirmed: set[str] = set()
        """Names that were asked for by a commit that got no answer: they may be held."""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.asked: Asked | None = None

    def __enter__(self) -> Self:
        """Start the heartbeat; leases of an earlier attempt at this job are free again.

        Raises:
            LostLease: the job belongs to another driver already.
        """

        def begin(session: Session) -> None:
            jobs.renew(session, self._job_id, self._token, self._lease)
            leases.forget(session, self._holder)

        write(self._database, begin, patience=self._lease.total_seconds())
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the heartbeat and free what is held besides the job itself."""
        self.stop()
        try:
            self.release(list(self._held))
        except SQLAlchemyError:  # how the job ended is written by now
            _LOG.warning("job %s: what it held is free once its leases run out", self._job_id)

    def stop(self) -> None:
        """Stop the heartbeat before the job ends: one after that would find the lease lost."""
        self._over.set()
        self._thread.join()

    def take(self, names: Sequence[str]) -> list[str]:
        """Take what is free of `names`, and return those that are held now."""
        # the lock is taken at each try, and released between them: the heartbeat needs it too
        return with_retry(lambda: self._take(names), patience=self._lease.total_seconds())

    def _take(self, names: Sequence[str]) -> list[str]:
        with self._lock:
            new = {name for name in names if name not in self._held}
            stale, self._unconfirmed = new & self._unconfirmed, self._unconfirmed | new
            with self._database.write() as session:
                leases.forget(session, self._holder, stale)
                taken = leases.take(session, names, self._holder, self._lease)
            self._unconfirmed -= new
            self._held |= {lease.name: lease for lease in taken}
        return [lease.name for lease in taken]

    def release(self, names: Sequence[str]) -> None:
        """Free `names`."""
        if names:
            with_retry(lambda: self._release(names), patience=self._lease.total_seconds())

    def _release(self, names: Sequence[str]) -> None:
        with self._lock:
            held = {name: self._held[name] for name in names if name in self._held}
            with self._database.write() as session:
                leases.release(session, list(held.values()))
            for name in held:
                del self._held[name]

    def wait_for(self, names: Sequence[str], on_wait: Callable[[], None]) -> None:
        """Take all of `names`; call `on_wait` once where another job has one of them."""
        missing = set(names).difference(self.take(names))
        if missing:
            on_wait()
        while missing:
            time.sleep(min(1.0, self._heartbeat))
            missing.difference_update(self.take(list(missing)))

    @property
    def _holder(self) -> str:
        return f"job:{self._job_id}"

    def _beat(self) -> None:
        renewed, pause = time.monotonic(), self._heartbeat
        while not self._over.wait(pause):
            began, pause = time.monotonic(), self._heartbeat
            try:
                self._renew()
                renewed = began
            except LostLease:
                self._exit(LOST, "belongs to another driver by now")
            except Exception as error:  # whatever it is, the lease runs out meanwhile
                # a database that restarts comes back; but past the lease the job is not ours
                pause = min(_PAUSE, self._heartbeat)
                code, why = _cause_of(error)
                _LOG.warning("%s: %s", why, type(error).__name__)
                # before the lease is over: a reaper, who would count the attempt, may come first
                if time.monotonic() - renewed > _PATIENCE * self._lease.total_seconds():
                    self._exit(code, f"is lost: {why}")

    def _exit(self, code: int, why: str) -> None:
        """End this process at once: two drivers must not work on one job."""
        with suppress(OSError):  # not by the log, which goes to a database that may not answer
            sys.stderr.write(f"job {self._job_id} {why}: stopping\n")
            sys.stderr.flush()
        os._exit(code)

    def _reap(self) -> None:
        """Enforce deadlines, also of this job, where nobody dispatches."""
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
            renewed = leases.renew(session, list(self._held.values()), self._lease)
            lost = len(renewed) < len(self._held)
        if lost:
            raise LostLease(f"job {self._job_id} was silent, and another does its stage by now")
        if asked and not self.asked:
            self.asked = asked
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _cause_of(error: Exception) -> tuple[int, str]:
    """Return the exit code of a driver that cannot renew its lease, and what to say of it."""
    if is_disk_full(error):
        return DISK_FULL, "the database has no room on its disk"
    if is_away(error):
        return NO_DATABASE, "the database does not answer"
    return LOST, "the lease could not be renewed"
