"""The commands that take a job file: `run`, `plan`, `submit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alambique.cli.environment import client_of, settings_of
from alambique.cli.jobs import watched
from alambique.cli.options import Fresh, JobFile, Json, Overrides
from alambique.spec.errors import BadSpec

if TYPE_CHECKING:
    from alambique.spec.job import Job


def run(
    context: typer.Context, job: JobFile, overrides: Overrides = None, fresh: Fresh = False
) -> None:
    """Carry out a job here, with no server: the same stages, in the same registry."""
    from alambique.cli.following import Following
    from alambique.cli.reports import report
    from alambique.registry.database import Database
    from alambique.workers.driver import run_here

    settings = settings_of(context)
    database = Database(settings.database)
    database.upgrade()
    following = Following(database)
    try:
        read = read_file(job, overrides, fresh=fresh)
        row = run_here(settings, database, read, posted=following.start)
    finally:
        following.finish()
    raise typer.Exit(0 if report(row) else 1)


def plan(
    context: typer.Context, job: JobFile, overrides: Overrides = None, json: Json = False
) -> None:
    """Tell what a job would make and take: parameters, operations, bytes of the cache."""
    from alambique.api.planning import plan_of
    from alambique.cli.reports import show_plan
    from alambique.cli.tables import show_json
    from alambique.registry.database import Database

    settings = settings_of(context)
    found = plan_of(read_file(job, overrides), settings, Database(settings.database)).as_dict()
    if json:
        return show_json(found)
    show_plan(found)


def submit(
    context: typer.Context,
    job: JobFile,
    overrides: Overrides = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it until it is over.")] = False,
    key: Annotated[
        str | None, typer.Option(help="Sent again with the same key, no second job is made.")
    ] = None,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    """Post a job to the server; prints its id."""
    from alambique.cli.tables import show_json

    client = client_of(context)
    posted = client.submit(read_file(job, overrides, fresh=fresh), key=key)
    if json:
        show_json(posted.model_dump(mode="json"))
    else:
        print(posted.id)
    if wait:
        raise typer.Exit(0 if watched(client, posted.id) else 1)


def read_file(path: Path, overrides: list[str] | None, *, fresh: bool = False) -> "Job":
    """The job of a file, with the overrides in it; `fresh` if asked here or there."""
    from alambique.spec.reading import read_job

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSpec(f"{path} cannot be read as a job file: {error}") from error
    return read_job(text, [*(overrides or ()), *(["fresh=true"] if fresh else [])])
