"""`alambique demo`: a server of its own, one job posted to it over REST, the table that comes."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alambique.cli.environment import home_of, program_here, settings_of
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
    from alambique.api.client import Client
    from alambique.cli.jobs import watched
    from alambique.cli.posting import read_file

    said = read_file(job, overrides)
    with (
        (home_of(context) / "demo.log").open("ab") as log,
        _server(log) as url,
        Client(url, patience=PATIENCE) as client,  # nobody starts it again
    ):
        posted = client.submit(said)
        print(f"job {posted.id} posted to {url}; the server's log is {log.name}")
        # the server is gone when the report is read
        done = watched(client, posted.id, program=program_here(settings_of(context)))
    raise typer.Exit(0 if done else 1)


@contextmanager
def _server(log: "BinaryIO") -> Iterator[str]:
    """The URL of a server with the settings of this process, on a port of its own."""
    command = [*PROGRAM, "up", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
    try:
        yield _ready(process, log)
    finally:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ready(process: subprocess.Popen[bytes], log: "BinaryIO") -> str:
    """The URL in the one line that `up` prints once it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    for word in line.split():
        if word.startswith("http://"):
            return word.rstrip(":,")
    raise AlambiqueError(f"the server did not start: {log.name} says why")
