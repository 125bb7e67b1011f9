"""`alambique models`: what came of the jobs."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alambique.cli.environment import home_of, registry_of
from alambique.cli.options import (
    Cursor,
    InProject,
    Json,
    Limit,
    OfTask,
    Project,
    Versioned,
    name_and_version,
)
from alambique.spec.errors import BadSpec, UnknownName

if TYPE_CHECKING:
    from alambique.api.client import Client
    from alambique.api.local import LocalRegistry
    from alambique.api.views import PageView, VersionView

Size = Annotated[float | None, typer.Option(min=0, help="Such as 5e6.")]


def list_models(
    context: typer.Context,
    project: InProject = None,
    task: OfTask = None,
    tag: Annotated[str | None, typer.Option(help="Tagged with this word.")] = None,
    data: Annotated[str | None, typer.Option(help="Tested on this data set.")] = None,
    min_parameters: Size = None,
    max_parameters: Size = None,
    min_macs: Size = None,
    max_macs: Size = None,
    min_ms: Size = None,
    max_ms: Size = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="A bound of a score on the test split, as 'f1>=0.8'; repeatable."),
    ] = None,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Only where nothing scores more at no more cost.")
    ] = False,
    cost: Annotated[
        Literal["macs", "ms"], typer.Option(help="The cost of --pareto, milliseconds or MACs.")
    ] = "macs",
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List the models with a version that has all that is asked for, newest first."""
    from alambique.cli.model_reports import model_table
    from alambique.cli.tables import show_json, show_list

    page = registry_of(context).models(
        project=project,
        task=task,
        limit=limit,
        cursor=cursor,
        tag=tag,
        data=data,
        min_parameters=min_parameters,
        max_parameters=max_parameters,
        min_macs=min_macs,
        max_macs=max_macs,
        min_ms=min_ms,
        max_ms=max_ms,
        metric=metric,
        pareto=pareto,
        cost=cost,
    )
    if json:
        return show_json(page.model_dump(mode="json"))
    show_list(model_table(page.items), page.next)


def show(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="A model, or a version of it.")
    ],
    project: Project = "default",
    json: Json = False,
) -> None:
    """Print the size, scores and files of a version; or all versions of a model, with aliases."""
    from alambique.cli.model_reports import describe_model, describe_version
    from alambique.cli.tables import show_json

    registry = registry_of(context)
    if "@" in model:
        name, version = name_and_version(model)
        view = registry.version(name, version, project=project)
        if json:
            return show_json(view.model_dump(mode="json"))
        return describe_version(view)
    found = registry.model(model, project=project)

    def page(cursor: str | None) -> "PageView[VersionView]":
        return registry.versions(model, project=project, limit=200, cursor=cursor)

    versions = list(page(None).all_items(page))
    aliases = registry.aliases(model, project=project)
    if json:
        return show_json(
            {
                "model": found.model_dump(mode="json"),
                "versions": [one.model_dump(mode="json") for one in versions],
                "aliases": [one.model_dump(mode="json") for one in aliases],
            }
        )
    describe_model(found, versions, aliases)


def versions(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="NAME", help="A model.")],
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those that are deleted, not the others.")
    ] = False,
    project: Project = "default",
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """Print the versions of a model, newest first, each with its score on the test split."""
    from alambique.cli.model_reports import version_table
    from alambique.cli.tables import show_json, show_list

    page = registry_of(context).versions(
        model, project=project, deleted=deleted, limit=limit, cursor=cursor
    )
    if json:
        return show_json(page.model_dump(mode="json"))
    show_list(version_table(page.items), page.next)


def reproduce(
    context: typer.Context,
    model: Versioned,
    to: Annotated[Path | None, typer.Option(help="The file; the terminal by default.")] = None,
    project: Project = "default",
) -> None:
    """Write the job that makes a version again: models and seeds pinned, data and code named."""
    from alambique.api.reproduction import job_file

    registry = registry_of(context)
    name, version = name_and_version(model)
    view = registry.version(name, version, project=project)
    if view.job_id is None:
        raise UnknownName(
            f"the job that made {view.name}@{view.number} was deleted: its lineage "
            "(`alambique models show --json`) is all that is known of it"
        )
    text = job_file(view, registry.job(view.job_id))
    if to is None:
        print(text, end="")
        return
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise BadSpec(f"{to} is there already: give another file") from error
    print(to)


def download(
    context: typer.Context,
    model: Versioned,
    to: Annotated[Path | None, typer.Option(help="The folder; NAME-VERSION by default.")] = None,
    project: Project = "default",
) -> None:
    """Fetch a version's files, each checked; transformers loads the folder."""
    registry = registry_of(context)
    name, version = name_and_version(model)
    view = registry.version(name, version, project=project)
    folder = to or Path(f"{view.name}-{view.number}")
    registry.download(name, view.number, folder, project=project)
    print(folder)


def compare(
    context: typer.Context,
    models: Annotated[
        list[str], typer.Argument(metavar="NAME[@VERSION]…", help="Two models or more.")
    ],
    length: Annotated[int, typer.Option(help="Pieces of the text.", min=2, max=100_000)] = 128,
    project: Project = "default",
    json: Json = False,
) -> None:
    """Race versions side by side, here and now, and draw their scores over their milliseconds."""
    if len(models) < 2:
        raise BadSpec(f"{models[0]} alone is no comparison: give another model beside it")
    from alambique.cli.model_reports import compared_models, show_comparison
    from alambique.cli.tables import show_json
    from alambique.workers.scoring.predicting import compare_latency, open_model

    registry = registry_of(context)
    views = [registry.version(*name_and_version(one), project=project) for one in models]
    opened = [open_model(_fetch(context, registry, view)) for view in views]
    compared = compared_models(views, compare_latency(opened, length=length))
    if json:
        return show_json([asdict(one) for one in compared])
    show_comparison(compared)


def predict(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="NAME, NAME@VERSION, or the path of a folder.")],
    question: Annotated[str | None, typer.Option(help="What to answer; with --context.")] = None,
    passage: Annotated[
        str | None, typer.Option("--context", help="Where the answer is; with --question.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="What to tag or classify; twice for a pair.")
    ] = None,
    project: Project = "default",
    json: Json = False,
) -> None:
    """Answer a question about a text (--question and --context); tag or classify one (--text)."""
    if (question is None) != (passage is None) or (question is None) == (not text):
        raise BadSpec(
            "give --question and --context to a model that answers questions, --text to one that "
            "tags words or gives a text its class, and two of it to one that compares texts: "
            "`alambique models show` says which task a model is for"
        )
    from alambique.cli.model_reports import show_prediction
    from alambique.cli.tables import show_json
    from alambique.workers.scoring.predicting import predict as answer

    if os.sep in model:
        folder = Path(model)
    else:
        registry = registry_of(context)
        view = registry.version(*name_and_version(model), project=project)
        folder = _fetch(context, registry, view)
    prediction = answer(folder, question=question, context=passage, texts=text or ())
    if json:
        return show_json(prediction)
    show_prediction(prediction)


def _fetch(context: typer.Context, registry: "Client | LocalRegistry", view: "VersionView") -> Path:
    """Return the folder of a version, which is fetched the first time it is asked for."""
    folder = home_of(context) / "downloads" / str(view.id)
    if not folder.exists():
        registry.download(view.name, view.number, folder, project=view.project)
    return folder
