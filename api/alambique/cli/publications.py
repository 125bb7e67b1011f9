"""The commands that publish: a version, or the models of a suite, to the hub or into a folder."""

import os
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from alambique.cli.environment import client_of, database_of, registry_of, settings_of
from alambique.cli.options import (
    Cursor,
    InProject,
    Json,
    Limit,
    Project,
    SuiteNamed,
    Versioned,
    name_and_version,
)
from alambique.spec.errors import BadSpec

if TYPE_CHECKING:
    from rich.table import Table

    from alambique.api.client import Client
    from alambique.api.publication_views import PublicationView
    from alambique.registry.database import Database
    from alambique.spec.publication import LicenceOverride
    from alambique.spec.settings import Settings

_PAUSE = 1.0
"""Seconds between two looks at a publication."""

Public = Annotated[bool, typer.Option("--public", help="Let everybody see the repository.")]
By = Annotated[
    str | None,
    typer.Option(help="Who answers for publishing in spite of a licence; it stands in the card."),
]
Note = Annotated[
    str | None, typer.Option(help="Why it may be published in spite of that; it stands there too.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it is published or refused.")]


def publish(
    context: typer.Context,
    model: Versioned,
    to: Annotated[str, typer.Option(help="hub:team/name, or folder:NAME in the worker's home.")],
    public: Public = False,
    override_by: By = None,
    override_note: Note = None,
    wait: Wait = False,
    project: Project = "default",
    json: Json = False,
) -> None:
    """Publish a version as a repository of the hub or a folder; twice is once."""
    _check_override(override_by, override_note)
    name, version = name_and_version(model)
    registry = registry_of(context)
    from alambique.api.client import Client

    if not isinstance(registry, Client):
        views = [
            _publish_here(
                context, name, version, to, public, _override(override_by, override_note), project
            )
        ]
        return _report(views, wait=True, json=json)
    view = registry.publish(
        name,
        version,
        to=to,
        private=not public,
        override_by=override_by,
        override_note=override_note,
        project=project,
    )
    _follow(registry, [view], wait=wait, json=json)


def publish_suite(
    context: typer.Context,
    suite: SuiteNamed,
    to: Annotated[str, typer.Option(help="hub:team, or folder:NAME in the worker's home.")],
    public: Public = False,
    override_by: By = None,
    override_note: Note = None,
    wait: Wait = False,
    project: InProject = None,
    json: Json = False,
) -> None:
    """Publish the best model of each task, teacher and student of a suite, as a family."""
    from alambique.api.lookup import find_suite

    _check_override(override_by, override_note)
    client = client_of(context)
    views = client.publish_suite(
        find_suite(client, suite, project=project),
        to=to,
        private=not public,
        override_by=override_by,
        override_note=override_note,
    )
    _follow(client, views, wait=wait, json=json)


def list_publications(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A model; all by default.")
    ] = None,
    project: InProject = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List what is published or is to be, newest first, and why it is not."""
    from alambique.cli.tables import show_json, show_list

    page = registry_of(context).publications(
        project=project, name=model, limit=limit, cursor=cursor
    )
    if json:
        return show_json(page.model_dump(mode="json"))
    show_list(_table(page.items), page.next)


def publish_of_job(settings: "Settings", database: "Database", job_id: UUID) -> bool:
    """Carry out in this process what a job has asked to be published; return whether it is."""
    from alambique.api.queries import publication_page
    from alambique.cli.tables import show
    from alambique.registry import publications
    from alambique.workers.publishing.publisher import Publisher

    with database.read() as session:
        asked = publications.page(session, job_id=job_id).items
    publisher = Publisher(settings, database)
    for each in asked:
        publisher.publish_next(each.id)
    with database.read() as session:
        views = publication_page(session, publications.page(session, job_id=job_id)).items
    show(_table(views))
    return bool(views) and _are_published(views)


def _check_override(by: str | None, note: str | None) -> None:
    if (by is None) != (note is None):
        raise BadSpec(
            "give --override-by and --override-note together: the name of who answers for it, and "
            "why it may be published"
        )


def _override(by: str | None, note: str | None) -> "LicenceOverride | None":
    from alambique.spec.publication import LicenceOverride

    return LicenceOverride(by=by, note=note) if by and note else None


def _publish_here(
    context: typer.Context,
    name: str,
    version: str,
    to: str,
    public: bool,
    override: "LicenceOverride | None",
    project: str,
) -> "PublicationView":
    """Publish a version of this machine's registry in this process, where no server runs."""
    from alambique.api.queries import publication_view
    from alambique.cli.extras import check_extras
    from alambique.registry import publications, versions
    from alambique.spec.publication import target_of
    from alambique.workers.environment import forget_publishing

    check_extras("workers")
    from alambique.workers.publishing.publisher import Publisher

    settings, database = settings_of(context), database_of(context)
    forget_publishing(os.environ)
    with database.write() as session:
        found = versions.find(session, project, name, version)
        asked = publications.request(
            session, found, target_of(to), private=not public, override=override
        )
    Publisher(settings, database).publish_next(asked.id)
    with database.read() as session:
        return publication_view(session, publications.find(session, asked.id))


def _follow(
    client: "Client", views: Sequence["PublicationView"], *, wait: bool, json: bool
) -> None:
    """Report publications that were asked for, with `wait` once they are over."""
    if wait:
        views = [_outlast(client, view) for view in views]
    _report(views, wait=wait, json=json)


def _outlast(client: "Client", view: "PublicationView") -> "PublicationView":
    said = None
    while not view.state.over:
        if view.message and view.message != said:
            typer.echo(f"{view.target}: {view.message}", err=True)
            said = view.message
        time.sleep(_PAUSE)
        view = client.outlast(partial(client.publication, view.id))
    return view


def _report(views: Sequence["PublicationView"], *, wait: bool, json: bool) -> None:
    """Print publications; one that was waited for and is not published ends with 1."""
    from alambique.cli.tables import show, show_json

    if json:
        show_json([view.model_dump(mode="json") for view in views])
    else:
        show(_table(views))
    if wait:
        raise typer.Exit(0 if _are_published(views) else 1)


def _are_published(views: Sequence["PublicationView"]) -> bool:
    return all(view.state == "published" for view in views)


def _table(views: Sequence["PublicationView"]) -> "Table":
    from alambique.cli.tables import table

    rows = [
        (
            view.target,
            f"{view.name}@{view.number}",
            view.project,
            view.state,
            "team" if view.private else "all",
            view.url,
            view.message,
        )
        for view in views
    ]
    columns = ("target", "version", "project", "state", "seen by", "where", "message")
    return table(columns, rows, only_if_several="project")
