"""The commands that take a job file, `run`, `plan` and `submit`, and how to post something once."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import typer

from alambique.cli.environment import client_of, database_of, local_program, settings_of
from alambique.cli.extras import check_extras, check_registry
from alambique.cli.jobs import watch_and_report
from alambique.cli.options import Fresh, JobFile, Json, Key, Overrides, Wait
from alambique.cli.publications import publish_of_job
from alambique.spec.errors import BadSpec
from alambique.spec.states import State
from alambique.workers.environment import forget_publishing

if TYPE_CHECKING:
    from alambique.spec.job import Job


V = TypeVar("V")

_PAUSE = 1.0
"""Seconds between two tries to post."""
_TRIES = 2
"""More tries after the second, for what a server may have queued already; one may take a minute."""


def run(
    context: typer.Context, job: JobFile, overrides: Overrides = None, fresh: Fresh = False
) -> None:
    """Carry out a job here, with no server: the same stages, in the same registry."""
    check_extras("workers")
    from alambique.api.planning import pin, plan_of
    from alambique.cli.job_follower import JobFollower
    from alambique.cli.job_reports import report
    from alambique.spec.publication import missing_token
    from alambique.workers.hub_data import HubFetcher
    from alambique.workers.queue.driver import run_here

    settings, database = settings_of(context), database_of(context)
    read = read_file(job, overrides, fresh=fresh)
    database.upgrade()
    # what is not there is said at once, and nothing is posted
    read = pin(read, settings, database)
    fetch = HubFetcher(settings.home.absolute(), log=partial(typer.echo, err=True)).fetch
    if why := plan_of(read, settings, database, fetch=fetch).cache.why:
        raise BadSpec(why)
    if read.publish and (why := missing_token(settings, read.project, read.publish.target)):
        raise BadSpec(f"publish: {why}")
    forget_publishing(os.environ)
    follower = JobFollower(database)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the job in order, as Ctrl-C
    try:
        row = run_here(settings.without_publishing(), database, read, posted=follower.start)
    finally:
        follower.finish()
    succeeded = report(row, program=local_program(settings))
    if succeeded and read.publish:
        succeeded = publish_of_job(settings, database, row.id)
    raise typer.Exit(0 if succeeded else 1)


def plan(
    context: typer.Context, job: JobFile, overrides: Overrides = None, json: Json = False
) -> None:
    """Tell what a job would make and take: parameters, operations, bytes of the cache."""
    check_registry()
    from alambique.api.planning import pin, plan_of
    from alambique.cli.job_reports import show_plan
    from alambique.cli.tables import show_json

    settings, database = settings_of(context), database_of(context)
    read = pin(read_file(job, overrides), settings, database)
    planned = plan_of(read, settings, database).as_dict()
    if json:
        return show_json(planned)
    show_plan(planned)


def submit(
    context: typer.Context,
    job: JobFile,
    overrides: Overrides = None,
    wait: Wait = False,
    key: Key = None,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    """Post a job to the server; print its id, or with --json the job (with --wait: its end)."""
    from alambique.cli.tables import show_json

    client, read = client_of(context), read_file(job, overrides, fresh=fresh)
    posted = post_once(lambda known: client.submit(read, key=known), key)
    if not json:
        print(posted.id, flush=True)
        if wait:
            raise typer.Exit(0 if watch_and_report(client, posted.id) else 1)
        return
    if wait:
        job_id = posted.id
        for _ in client.watch(job_id):
            pass  # a program reads once how it ended
        posted = client.outlast(lambda: client.job(job_id))
    show_json(posted.model_dump(mode="json"))
    if wait:
        raise typer.Exit(0 if posted.state is State.SUCCEEDED else 1)


def post_once(post: Callable[[str], V], key: str | None, *, pause: float = _PAUSE) -> V:
    """Return what the server made of what `post` sends, which is sent again if no answer comes.

    Args:
        post: sends something under a key, by which the server queues nothing twice.
        key: the user's own; without it one is made.
        pause: seconds between two tries.

    Raises:
        NoServer: nobody answers; if something may have been queued, it says how to send that again.
    """
    from alambique.api.transport import NoAnswer, NoServer

    known = str(uuid4()) if key is None else key
    try:
        return post(known)
    except NoAnswer:
        time.sleep(pause)
    try:
        for _ in range(_TRIES):
            with suppress(NoServer):
                return post(known)
            time.sleep(pause)
        return post(known)
    except NoServer as error:
        raise NoAnswer(
            f"{error}; it may have been queued all the same: give the same command again with "
            f"--key {known}, and nothing is queued twice"
        ) from error


def read_file(path: Path, overrides: list[str] | None, *, fresh: bool = False) -> "Job":
    """Return the job of a file with the overrides in it, `fresh` if asked here or there."""
    from alambique.spec.reading import read_job

    given = [*(overrides or ()), *(["fresh=true"] if fresh else [])]
    return read_job(text_of(path, "a job file"), given)


def text_of(path: Path, what: str) -> str:
    """Return what is written in a file.

    Raises:
        BadSpec: it cannot be read as `what` it is told to be.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSpec(f"{path} cannot be read as {what}: {error}") from error
