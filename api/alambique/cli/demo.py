"""`alambique demo`: a server of its own, one job posted to it over REST, the table that comes."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alambique.cli.environment import home_of, local_program, settings_of
from alambique.cli.extras import check_extras
from alambique.cli.options import Overrides
from alambique.spec.errors import AlambiqueError
from alambique.workers.environment import PROGRAM

if TYPE_CHECKING:
    from typing import BinaryIO

GRACE = 40.0
"""Seconds that the server has to stop: its worker alone may take 20."""

PATIENCE = 10.0
"""Seconds after which a server that does not answer any more is taken for dead."""


def demo(
    context: typer.Context,
    job: Annotated[Path, typer.Argument(metavar="[JOB.yaml]", help="A job file.")] = Path(
        "recipes/demo.yaml"
    ),
    overrides: Overrides = None,
) -> None:
    """Start a server, post a job to it, watch it, stop the server."""
    check_extras("api", "workers")
    from alambique.api.client import Client
    from alambique.cli.jobs import watch_and_report
    from alambique.cli.posting import read_file

    spec = read_file(job, overrides)
    with (
        (home_of(context) / "demo.log").open("ab") as log,
        _run_server(log) as url,
        Client(url, patience=PATIENCE) as client,  # nobody starts it again
    ):
        posted = client.submit(spec)
        print(f"job {posted.id} posted to {url}; the server's log is {log.name}")
        # the server is gone when the report is read
        done = watch_and_report(client, posted.id, program=local_program(settings_of(context)))
    raise typer.Exit(0 if done else 1)


@contextmanager
def _run_server(log: "BinaryIO") -> Iterator[str]:
    """Run a server until the block is left, and yield its URL.

    It has the settings of this process, and a port of its own.
    """
    command = [*PROGRAM, "up", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
    try:
        yield _read_url(process, log)
    finally:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _read_url(process: subprocess.Popen[bytes], log: "BinaryIO") -> str:
    """Return the URL in the one line that `up` prints once it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    for word in line.split():
        if word.startswith("http://"):
            return word.rstrip(":,")
    raise AlambiqueError(f"the server did not start: {log.name} says why")
