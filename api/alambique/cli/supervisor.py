"""A child process that is started again when it dies, and is stopped with its parent."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from alambique.workers.environment import PROGRAM

_log = logging.getLogger(__name__)

GRACE = 20.0
"""Seconds that the child has to end after SIGTERM."""
STEADY = 60.0
"""Seconds of running after which a death counts as the first one again."""


def worker_command() -> list[str]:
    """The command of a worker that ends when this process does."""
    return [*PROGRAM, "worker", "--parent", str(os.getpid())]


class Supervisor:
    """Keeps a command running in a process group of its own, until the `with` block is left."""

    def __init__(self, command: Sequence[str], *, pause: float = 1.0, grace: float = GRACE) -> None:
        """Nothing runs yet.

        Args:
            command: the command and its arguments.
            pause: seconds to wait after a first death.
            grace: seconds that the command has to end after SIGTERM.
        """
        self._command = command
        self._pause = pause
        self._grace = grace
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_running, daemon=True)

    def start(self) -> None:
        """Start the command; returns at once."""
        self._thread.start()

    def __enter__(self) -> Self:
        """Nothing yet: `start` does it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the command and wait until it and its group are gone."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep_running(self) -> None:
        deaths = 0
        while not self._stop.is_set():
            began = time.monotonic()
            code = self._run_once()
            if code is None:
                return
            deaths = 1 if time.monotonic() - began > STEADY else deaths + 1
            pause = pause_after(deaths, first=self._pause)
            _log.warning("the worker ended with %s: it is started again in %g s", code, pause)
            self._stop.wait(pause)

    def _run_once(self) -> int | None:
        """The exit code of the command, or None where it was told to stop."""
        # its output goes to stderr: stdout belongs to the server's one line
        process = subprocess.Popen(self._command, stdout=2, start_new_session=True)
        while process.poll() is None:
            if self._stop.wait(0.1):
                _end(process, self._grace)
                return None
        return process.returncode


def pause_after(deaths: int, *, first: float = 1.0, longest: float = 60.0) -> float:
    """Seconds to wait after so many deaths in a row: doubled with each.

    >>> [pause_after(deaths) for deaths in (1, 2, 3, 10)]
    [1.0, 2.0, 4.0, 60.0]
    """
    return float(min(longest, first * 2 ** (deaths - 1)))


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """Ask `process` to end; after the grace, kill its whole group."""
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
