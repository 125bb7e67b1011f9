"""The commands that serve, `up`, `api` and `worker`, and the worker that `up` keeps running."""

import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Annotated, Self
from uuid import UUID

import typer

from alambique.cli.environment import database_of, settings_of
from alambique.cli.extras import check_extras
from alambique.workers.environment import PROGRAM, forget_publishing

GRACE = 20.0
"""Seconds that a worker has to end after SIGTERM."""
STEADY = 60.0
"""Seconds of running after which a death counts as the first one again."""

_log = logging.getLogger(__name__)

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[
    int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")
]


def up(context: typer.Context, host: Host = "127.0.0.1", port: Port = 8400) -> None:
    """Serve everything here: the API, and a worker beside it."""
    check_extras("api", "workers")
    from alambique.cli.http_server import listen

    configure_logging()
    upgrade(context)
    with listen(host, port) as listener, Supervisor(worker_command()) as child:
        child.start()
        _serve_api(context, listener, host, "alambique is up at {url}: stop it with Ctrl-C")


def api(context: typer.Context, host: Host = "127.0.0.1", port: Port = 8400) -> None:
    """Serve the API alone; the database must be migrated."""
    check_extras("api")
    from alambique.cli.http_server import listen

    configure_logging()
    database_of(context)  # whether there can be one: /readyz says whether it answers
    with listen(host, port) as listener:
        _serve_api(context, listener, host, "the API is ready at {url}")


def _serve_api(context: typer.Context, listener: socket.socket, host: str, ready: str) -> None:
    from alambique.api.app import create_app
    from alambique.cli.http_server import serve

    stop = threading.Event()
    settings = settings_of(context).without_publishing()  # which the worker does
    serve(create_app(settings, host=host, stop=stop), listener, stop=stop, ready=ready)


def worker(
    context: typer.Context,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Carry out jobs until told to stop; the database must be migrated."""
    check_extras("workers")
    from alambique.registry import jobs
    from alambique.registry.retry import read
    from alambique.workers.publishing.publisher import publishing
    from alambique.workers.queue.dispatcher import dispatch

    configure_logging()
    settings, database = settings_of(context), database_of(context)
    # without tables it ends here, once, and not at every look; a signal ends it too, until there is
    # something to put down
    read(database, partial(jobs.page, limit=1), patience=settings.lease)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if parent is not None:
        threading.Thread(target=_stop_with_parent, args=(parent, stop), daemon=True).start()
    forget_publishing(os.environ)
    with publishing(settings, database, stop):
        dispatch(settings, database=database, stop=stop)


def drive(
    context: typer.Context,
    job: UUID,
    token: int,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Carry out one job under the lease of that token."""
    from alambique.workers.queue.driver import run_driver

    configure_logging()
    settings, database = settings_of(context).without_publishing(), database_of(context)
    raise typer.Exit(run_driver(settings, database, job, token, parent=parent))


def upgrade(context: typer.Context) -> None:
    """Bring the database to the newest schema."""
    database_of(context).upgrade()


def configure_logging() -> None:
    """Write log records to stderr: those of alambique from INFO on, others from WARNING on."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("alambique").setLevel(logging.INFO)


def _stop_with_parent(parent: int, stop: threading.Event) -> None:
    """Stop once the process that started this one is gone, however it ended."""
    while not stop.wait(1.0):
        if os.getppid() != parent:
            stop.set()


def worker_command() -> list[str]:
    """Return the command of a worker that ends when this process does."""
    return [*PROGRAM, "worker", "--parent", str(os.getpid())]


class Supervisor:
    """Keeps a command running in a process group of its own, until the `with` block is left."""

    def __init__(self, command: Sequence[str], *, pause: float = 1.0, grace: float = GRACE) -> None:
        """Make it; `start` runs the command.

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
        """Start the command, and return at once."""
        self._thread.start()

    def __enter__(self) -> Self:
        """Return the supervisor, which has started nothing."""
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
        """Return the exit code of the command, or None if it was told to stop."""
        # its output goes to stderr: stdout belongs to the server's one line
        process = subprocess.Popen(self._command, stdout=2, start_new_session=True)
        while process.poll() is None:
            if self._stop.wait(0.1):
                _end(process, self._grace)
                return None
        return process.returncode


def pause_after(deaths: int, *, first: float = 1.0, longest: float = 60.0) -> float:
    """Return the seconds to wait after so many deaths in a row, doubled with each.

    >>> [pause_after(deaths) for deaths in (1, 2, 3, 10)]
    [1.0, 2.0, 4.0, 60.0]
    """
    return float(min(longest, first * 2 ** (deaths - 1)))


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """Ask `process` to end, and kill its whole group after the grace."""
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
