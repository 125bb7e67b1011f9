"""Every command by its name. Their modules import what they need only once they are called."""

import typer

from alambique.cli import (
    catalogue,
    demo,
    jobs,
    model_changes,
    model_serving,
    models,
    posting,
    publications,
    serving,
    suites,
    verification,
)
from alambique.cli.environment import read_settings


def program() -> typer.Typer:
    """Return the whole command line."""
    app = _group(
        "Distils Spanish language models: a large teacher becomes a small fast student.",
        completion=True,
    )
    app.callback()(read_settings)
    app.command("up")(serving.up)
    app.command("api")(serving.api)
    app.command("worker")(serving.worker)
    app.command("serve")(model_serving.serve)
    app.command("drive", hidden=True)(serving.drive)
    app.command("run")(posting.run)
    app.command("plan")(posting.plan)
    app.command("submit")(posting.submit)
    app.command("demo")(demo.demo)
    app.command("verify")(verification.verify)
    app.add_typer(_jobs(), name="jobs")
    app.add_typer(_suites(), name="suites")
    app.add_typer(_models(), name="models")
    app.command("tasks")(catalogue.tasks)
    app.add_typer(_data(), name="data")
    app.add_typer(_db(), name="db")
    return app


def _jobs() -> typer.Typer:
    group = _group("What was posted, and how it stands.")
    group.command("list")(jobs.list_jobs)
    group.command("show")(jobs.show)
    group.command("watch")(jobs.watch)
    group.command("logs")(jobs.logs)
    group.command("cancel")(jobs.cancel)
    return group


def _suites() -> typer.Typer:
    group = _group("Many jobs of one file, and the table that they end with.")
    group.command("submit")(suites.submit)
    group.command("list")(suites.list_suites)
    group.command("show")(suites.show)
    group.command("collection")(suites.collection)
    group.command("watch")(suites.watch)
    group.command("cancel")(suites.cancel)
    group.command("publish")(publications.publish_suite)
    return group


def _models() -> typer.Typer:
    group = _group("What came of the jobs: models and their versions.")
    group.command("list")(models.list_models)
    group.command("show")(models.show)
    group.command("versions")(models.versions)
    group.command("reproduce")(models.reproduce)
    group.command("download")(models.download)
    group.command("compare")(models.compare)
    group.command("predict")(models.predict)
    group.command("publish")(publications.publish)
    group.command("publications")(publications.list_publications)
    group.command("alias")(model_changes.alias)
    group.command("tag")(model_changes.tag)
    group.command("note")(model_changes.note)
    group.command("delete")(model_changes.delete)
    group.command("restore")(model_changes.restore)
    group.command("gc")(model_changes.collect)
    return group


def _data() -> typer.Typer:
    group = _group("The catalogue of data sets.")
    group.command("list")(catalogue.data)
    return group


def _db() -> typer.Typer:
    group = _group("The SQL database.")
    group.command("upgrade")(serving.upgrade)
    return group


def _group(text: str, *, completion: bool = False) -> typer.Typer:
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        add_completion=completion,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # frames around the help would double the time it takes
    )
