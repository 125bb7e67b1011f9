"""The commands that serve: `up`, `api`, `worker`, and what they start."""

import logging
import os
import signal
import threading
from functools import partial
from typing import Annotated
from uuid import UUID

import typer

from alambique.cli.environment import database_of, settings_of

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[
    int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")
]


def up(context: typer.Context, host: Host = "127.0.0.1", port: Port = 8400) -> None:
    """Serve everything here: the API, and a worker beside it."""
    from alambique.cli.http_server import listen, serve
    from alambique.cli.supervisor import Supervisor, worker_command

    _configure_logging()
    settings = settings_of(context)
    upgrade(context)
    with listen(host, port) as socket, Supervisor(worker_command()) as child:
        child.start()
        serve(settings, socket, host=host, ready="alambique is up at {url}: stop it with Ctrl-C")


def api(context: typer.Context, host: Host = "127.0.0.1", port: Port = 8400) -> None:
    """Serve the API alone; the database must be migrated."""
    from alambique.cli.http_server import listen, serve

    _configure_logging()
    database_of(context)  # whether there can be one: whether it answers is told by /readyz
    with listen(host, port) as socket:
        serve(settings_of(context), socket, host=host, ready="the API is ready at {url}")


def worker(
    context: typer.Context,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Carry out jobs until told to stop; the database must be migrated."""
    from alambique.registry import jobs
    from alambique.registry.retry import read
    from alambique.workers.queue.dispatcher import dispatch

    _configure_logging()
    settings, database = settings_of(context), database_of(context)
    # without tables it ends here, once, and not at every look; a signal ends it too, until there is
    # something to put down
    read(database, partial(jobs.page, limit=1), patience=settings.lease)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if parent is not None:
        threading.Thread(target=_stop_with_parent, args=(parent, stop), daemon=True).start()
    dispatch(settings, database=database, stop=stop)


def drive(
    context: typer.Context,
    job: UUID,
    token: int,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Carry out one job under the lease of that token."""
    from alambique.workers.queue.driver import drive as run_driver

    _configure_logging()
    settings, database = settings_of(context), database_of(context)
    raise typer.Exit(run_driver(settings, database, job, token, parent=parent))


def upgrade(context: typer.Context) -> None:
    """Bring the database to the newest schema."""
    database_of(context).upgrade()


def _configure_logging() -> None:
    """From here on log records are lines on stderr, of our parts from INFO on."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("alambique").setLevel(logging.INFO)


def _stop_with_parent(parent: int, stop: threading.Event) -> None:
    """Stop once the process that started this one is gone, however it ended."""
    while not stop.wait(1.0):
        if os.getppid() != parent:
            stop.set()
