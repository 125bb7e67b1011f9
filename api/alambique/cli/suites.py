"""`alambique suites`: many jobs of one file, and the table that compares their models."""

from typing import TYPE_CHECKING, Annotated

import typer

from alambique.cli.environment import client_of
from alambique.cli.options import (
    Cursor,
    InProject,
    Json,
    Key,
    Limit,
    Overrides,
    SuiteFile,
    SuiteNamed,
    Wait,
)

if TYPE_CHECKING:
    from alambique.api.views import SuiteView

Form = Annotated[
    str | None,
    typer.Option("--format", help="Print the table alone: as markdown, csv or latex."),
]


def submit(
    context: typer.Context,
    suite: SuiteFile,
    overrides: Overrides = None,
    wait: Wait = False,
    key: Key = None,
    json: Json = False,
) -> None:
    """Post all jobs of a suite to the server; print its id, or with --json the suite."""
    from alambique.cli.posting import post_once, text_of
    from alambique.cli.suite_reports import follow, no_lines, report, text_lines
    from alambique.cli.tables import show_json
    from alambique.spec.matrix import jobs_of
    from alambique.spec.suite import read_suite

    client = client_of(context)
    read = read_suite(text_of(suite, "a suite file"), overrides or ())
    jobs_of(read)  # reports bad fields by their places in the file, before anything is sent
    posted = post_once(lambda known: client.submit_suite(read, key=known), key)
    if not json:
        print(posted.id, flush=True)
    if wait:
        posted = follow(client, posted.id, no_lines if json else text_lines)
    if json:
        show_json(posted.model_dump(mode="json"))
    elif wait:
        report(posted)
    if wait:
        raise typer.Exit(0 if _has_succeeded(posted) else 1)


def list_suites(
    context: typer.Context,
    project: InProject = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List suites, newest first."""
    from alambique.cli.suite_reports import states
    from alambique.cli.tables import show_json, show_list, table

    page = client_of(context).suites(project=project, limit=limit, cursor=cursor)
    if json:
        return show_json(page.model_dump(mode="json"))
    rows = [
        (one.id, one.project, one.name, states(one.states), f"{one.created_at:%Y-%m-%d %H:%M}")
        for one in page.items
    ]
    columns = ("id", "project", "name", "jobs", "posted (UTC)")
    show_list(table(columns, rows, only_if_several="project"), page.next)


def show(
    context: typer.Context,
    suite: SuiteNamed,
    form: Form = None,
    project: InProject = None,
    json: Json = False,
) -> None:
    """Print the jobs of a suite that run, and its table so far."""
    from alambique.api.lookup import find_suite
    from alambique.cli.suite_reports import describe, print_table
    from alambique.cli.tables import show_json

    client = client_of(context)
    view = client.suite(find_suite(client, suite, project=project))
    if json:
        return show_json(view.model_dump(mode="json"))
    if form is not None:
        return print_table(view, form)
    describe(view)


def collection(
    context: typer.Context, suite: SuiteNamed, project: InProject = None, json: Json = False
) -> None:
    """Print the teachers and students of a suite as one family, with its table."""
    from alambique.api.lookup import find_suite
    from alambique.cli.suite_reports import show_collection
    from alambique.cli.tables import show_json

    client = client_of(context)
    found = client.collection(find_suite(client, suite, project=project))
    if json:
        return show_json(found.model_dump(mode="json"))
    show_collection(found)


def watch(
    context: typer.Context, suite: SuiteNamed, project: InProject = None, json: Json = False
) -> None:
    """Follow a suite until it is over; exit 1 where a job of it did not succeed."""
    from alambique.api.lookup import find_suite
    from alambique.cli.suite_reports import follow, json_lines, report, text_lines

    client = client_of(context)
    suite_id = find_suite(client, suite, project=project)
    view = follow(client, suite_id, json_lines if json else text_lines)
    if not json:
        report(view)
    raise typer.Exit(0 if _has_succeeded(view) else 1)


def cancel(context: typer.Context, suite: SuiteNamed, project: InProject = None) -> None:
    """Ask all jobs of a suite to end that are not over; of several of a name, of the active one."""
    from alambique.api.lookup import find_suite
    from alambique.cli.suite_reports import states

    client = client_of(context)
    suite_id = find_suite(client, suite, project=project, active=True)
    print(states(client.cancel_suite(suite_id).states))


def _has_succeeded(suite: "SuiteView") -> bool:
    return set(suite.states) <= {"succeeded"}
