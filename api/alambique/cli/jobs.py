"""`alambique jobs`: what was posted, and how it stands."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from alambique.cli.environment import client_of, registry_of
from alambique.cli.options import Cursor, InProject, JobNamed, Json, Limit, OfTask
from alambique.spec.states import State

if TYPE_CHECKING:
    from alambique.api.client import Client


def list_jobs(
    context: typer.Context,
    project: InProject = None,
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    task: OfTask = None,
    name: Annotated[str | None, typer.Option(help="Only of this name.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List jobs, newest first."""
    from alambique.cli.tables import show_json, show_list, table

    page = registry_of(context).jobs(
        project=project, state=state, task=task, name=name, limit=limit, cursor=cursor
    )
    if json:
        return show_json(page.model_dump(mode="json"))
    columns = ("id", "project", "name", "task", "state", "at", "posted (UTC)")
    rows = [
        (
            job.id,
            job.project,
            job.name,
            job.task,
            f"{job.state}: {job.reason}" if job.reason else job.state,
            job.stage and f"{job.stage} {job.progress or 0:.0%}",
            f"{job.created_at:%Y-%m-%d %H:%M}",
        )
        for job in page.items
    ]
    show_list(table(columns, rows, only_if_several="project"), page.next)


def show(
    context: typer.Context, job: JobNamed, project: InProject = None, json: Json = False
) -> None:
    """Print where a job stands and what came of it, and the trials of a search."""
    from alambique.api.lookup import find_job
    from alambique.cli.job_reports import describe
    from alambique.cli.searches import describe_search
    from alambique.cli.tables import show_json

    registry = registry_of(context)
    view = registry.job(find_job(registry, job, project=project))
    if json:
        return show_json(view.model_dump(mode="json"))
    describe(view)
    if view.spec.get("search"):
        describe_search(view, registry)


def watch(
    context: typer.Context, job: JobNamed, project: InProject = None, json: Json = False
) -> None:
    """Follow a job until it is over; exit 1 where it did not succeed."""
    from alambique.api.lookup import find_job

    client = client_of(context)
    job_id = find_job(client, job, project=project)
    if json:
        for event in client.watch(job_id):
            print(event.model_dump_json(), flush=True)
        ended = client.outlast(lambda: client.job(job_id))
        raise typer.Exit(0 if ended.state is State.SUCCEEDED else 1)
    raise typer.Exit(0 if watch_and_report(client, job_id) else 1)


def watch_and_report(client: "Client", job_id: UUID, *, program: str = "alambique") -> bool:
    """Show a job until it is over, then what came of it; return whether it succeeded.

    Args:
        client: of the server that has the job.
        job_id: which job.
        program: how the commands begin that are recommended.
    """
    from rich.console import Console

    from alambique.cli.job_events import job_events
    from alambique.cli.job_reports import report
    from alambique.cli.progress import follow

    name = client.outlast(lambda: client.job(job_id)).name or str(job_id)
    follow(name, job_events(client, job_id), Console())
    return report(client.outlast(lambda: client.job(job_id)), program=program)


def logs(
    context: typer.Context,
    job: JobNamed,
    after: Annotated[int, typer.Option(min=0, help="Only what was written after that id.")] = 0,
    project: InProject = None,
    json: Json = False,
) -> None:
    """Print what a job wrote, oldest first."""
    from alambique.api.lookup import find_job
    from alambique.cli.tables import printable

    registry = registry_of(context)
    job_id = find_job(registry, job, project=project)
    while (page := registry.logs(job_id, after=after)).items:
        after = page.after
        for item in page.items:
            lines = [item.model_dump_json()] if json else map(printable, item.lines)
            print("\n".join(lines))


def cancel(
    context: typer.Context,
    job: JobNamed,
    kill: Annotated[bool, typer.Option(help="At once, by ending its process.")] = False,
    project: InProject = None,
) -> None:
    """Ask a job to end; of several of a name, the one that is not over."""
    from alambique.api.lookup import find_job

    client = client_of(context)
    job_id = find_job(client, job, project=project, active=True)
    view = client.cancel(job_id, kill=kill)
    if view.state is State.CANCELLING:  # it may come to its end before
        print(f"{view.state}: alambique jobs watch {view.id} tells how it ends")
    else:
        print(view.state)
