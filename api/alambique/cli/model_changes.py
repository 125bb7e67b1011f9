"""`alambique models alias|tag|note`, which say something of versions; `delete|restore|gc`."""

from typing import TYPE_CHECKING, Annotated

import typer

from alambique.cli.environment import database_of, registry_of, settings_of
from alambique.cli.options import (
    Json,
    Numbered,
    Project,
    Versioned,
    name_and_number,
    name_and_version,
)

if TYPE_CHECKING:
    from alambique.workers.garbage import Garbage

Remove = Annotated[bool, typer.Option("--remove", help="Take it away.")]


def alias(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="NAME@VERSION", help="A version; with --remove a model.")
    ],
    name: Annotated[str, typer.Argument(metavar="ALIAS", help="Such as champion.")],
    remove: Remove = False,
    project: Project = "default",
    json: Json = False,
) -> None:
    """Point an alias to a version, wherever it pointed before; or remove it."""
    from alambique.cli.tables import show_json

    registry = registry_of(context)
    if remove:
        said, _ = name_and_version(model)
        found = registry.remove_alias(said, name, project=project)
    else:
        said, number = name_and_number(model)
        found = registry.set_alias(said, name, number, project=project)
    if json:
        return show_json(found.model_dump(mode="json"))
    print(f"{said}@{name}: {'removed' if found.number is None else f'{said}@{found.number}'}")


def tag(
    context: typer.Context,
    model: Versioned,
    word: Annotated[str, typer.Argument(metavar="TAG", help="A word.")],
    remove: Remove = False,
    project: Project = "default",
    json: Json = False,
) -> None:
    """Give a version a tag, by which `models list --tag` finds it; or take it away."""
    from alambique.cli.tables import say, show_json

    registry = registry_of(context)
    name, version = name_and_version(model)
    change = registry.remove_tag if remove else registry.add_tag
    view = change(name, version, word, project=project)
    if json:
        return show_json(view.model_dump(mode="json"))
    say(f"{view.name}@{view.number}: {', '.join(view.tags) or 'no tags'}")


def note(
    context: typer.Context,
    model: Versioned,
    text: Annotated[str, typer.Argument(help="What is to be known of it.")],
    project: Project = "default",
    json: Json = False,
) -> None:
    """Write a note about a version, which `models show` prints."""
    from alambique.cli.tables import show_json

    name, version = name_and_version(model)
    view = registry_of(context).add_note(name, version, text, project=project)
    if json:
        return show_json(view.model_dump(mode="json"))
    print(f"{view.name}@{view.number}: {len(view.notes)} note{'s' * (len(view.notes) != 1)}")


def delete(context: typer.Context, model: Numbered, project: Project = "default") -> None:
    """Delete a version; `models restore` brings it back until `models gc` removes its files."""
    name, number = name_and_number(model)
    view = registry_of(context).delete_version(name, number, project=project)
    print(f"{view.name}@{view.number} is deleted: `alambique models restore` brings it back")


def restore(context: typer.Context, model: Numbered, project: Project = "default") -> None:
    """Put a deleted version back."""
    name, number = name_and_number(model)
    view = registry_of(context).restore_version(name, number, project=project)
    print(f"{view.name}@{view.number}")


def collect(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be removed, and remove nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Remove files of versions deleted longer ago than the retention, and of killed attempts.

    It works on the database and the artifacts that the settings name, without a server.
    """
    from dataclasses import asdict

    from alambique.cli.tables import show_json
    from alambique.workers.garbage import collect_garbage

    settings = settings_of(context)
    garbage = collect_garbage(database_of(context), settings, dry_run=dry_run)
    if json:
        versions = [
            {"id": str(one.id), "name": one.name, "project": one.project}
            for one in garbage.versions
        ]
        return show_json(asdict(garbage) | {"versions": versions, "bytes": garbage.bytes})
    _print(garbage, dry_run)


def _print(garbage: "Garbage", dry_run: bool) -> None:
    from alambique.cli.tables import Figure, say, show, table

    if garbage.folders:
        columns = ("folder", "why", "files", "MB")
        rows = (
            (one.folder, one.why, one.files, Figure(f"{one.bytes / 1e6:.1f}"))
            for one in garbage.folders
        )
        show(table(columns, rows))
    for version in garbage.versions:
        say(f"{version.name} (project {version.project}) cannot be restored any more")
    for folder in garbage.unknown:
        say(f"{folder} stays: this registry knows no job of that id")
    verb = "would free" if dry_run else "freed"
    print(f"{verb} {garbage.bytes / 1e6:.1f} MB in {len(garbage.folders)} folders")
