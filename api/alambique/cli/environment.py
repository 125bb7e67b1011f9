"""The settings, read once for each call of the program, and the client that they describe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alambique.spec.errors import BadSpec

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from alambique.api.client import Client
    from alambique.api.local import LocalRegistry
    from alambique.registry.database import Database
    from alambique.spec.settings import Settings


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"alambique {version('alambique')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", is_eager=True, callback=_print_version, help="Tell the version, and no more."
    ),
]


def read_settings(context: typer.Context, version: Version = False) -> None:
    """Put the settings where each command finds them."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from alambique.spec.settings import Settings

    try:
        context.obj = Settings()
    except ValidationError as error:
        raise BadSpec("\n".join(_setting_problem(each) for each in error.errors())) from None
    except SettingsError as error:
        # of the cause only its kind: its sentence may quote a secret
        raise BadSpec(
            f"ALAMBIQUE_SECRETS: {error} ({type(error.__cause__).__name__}): give a folder whose "
            "files this user may read, each with one value in UTF-8"
        ) from None


def _setting_problem(error: ErrorDetails) -> str:
    # the value stays unsaid: some of them are secrets
    message = error["msg"].removeprefix("Value error, ")
    return f"ALAMBIQUE_{str(error['loc'][0]).upper()}: {message}"


def settings_of(context: typer.Context) -> Settings:
    """Return the settings of this call."""
    from alambique.spec.settings import Settings

    settings = context.obj
    assert isinstance(settings, Settings)
    return settings


def home_of(context: typer.Context) -> Path:
    """Return the folder of this platform on this machine, made where it is not there.

    Raises:
        BadSpec: it cannot be made.
    """
    home = settings_of(context).home
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSpec(
            f"ALAMBIQUE_HOME: there can be no folder {home} ({error.strerror}): give one in which "
            "you may write"
        ) from error
    return home


def database_of(context: typer.Context) -> Database:
    """Return the registry that the settings name; connected to on first use.

    Raises:
        BadSpec: there can be none.
        MissingExtra: what reads it is not installed.
    """
    from alambique.cli.extras import check_registry

    check_registry()
    from sqlalchemy.exc import ArgumentError

    from alambique.registry.database import Database

    home_of(context)
    try:
        return Database(settings_of(context).database)
    except (OSError, ArgumentError, ImportError) as error:
        # the URL stays unsaid: it may hold a password
        why = error.strerror if isinstance(error, OSError) else "its driver is not known"
        raise BadSpec(
            f"ALAMBIQUE_DATABASE_URL: no such database can be opened ({why}): give "
            "sqlite:////absolute/path.db or postgresql://…"
        ) from error


def client_of(context: typer.Context) -> Client:
    """Return a client of the server that the settings name."""
    from alambique.api.client import Client

    settings = settings_of(context)
    token = settings.token.get_secret_value() if settings.token else None
    return context.with_resource(Client(settings.url, token))


def registry_of(context: typer.Context) -> Client | LocalRegistry:
    """Return a client of the settings' server; if none is named or runs, this machine's registry.

    A server that ALAMBIQUE_URL names is asked in any case: no other has its jobs and its data.
    """
    from alambique.spec.hosts import without_password

    settings, client = settings_of(context), client_of(context)
    if has_server_url(settings) or client.is_there():
        return client
    print(f"no server at {without_password(settings.url)}: told from this machine", file=sys.stderr)
    from alambique.cli.extras import check_registry

    check_registry()
    from alambique.api.local import LocalRegistry

    return LocalRegistry(settings)


def has_server_url(settings: Settings) -> bool:
    """Return whether ALAMBIQUE_URL is set."""
    return "url" in settings.model_fields_set


def local_program(settings: Settings) -> str:
    """Return how a command begins that reads the registry of this machine, not a server."""
    return "ALAMBIQUE_URL= alambique" if has_server_url(settings) else "alambique"
