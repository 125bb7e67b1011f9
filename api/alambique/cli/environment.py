"""The settings, read once for each call of the program, and the client that they describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from alambique.spec.errors import BadSpec

if TYPE_CHECKING:
    from alambique.api.client import Client
    from alambique.spec.settings import Settings


def read_settings(context: typer.Context) -> None:
    """Put the settings where each command finds them."""
    from pydantic import ValidationError

    from alambique.spec.settings import Settings

    try:
        context.obj = Settings()
    except ValidationError as error:
        # the values stay unsaid: some of them are secrets
        lines = (f"ALAMBIQUE_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise BadSpec("\n".join(lines)) from None


def settings_of(context: typer.Context) -> Settings:
    """The settings of this call."""
    from alambique.spec.settings import Settings

    settings = context.obj
    assert isinstance(settings, Settings)
    return settings


def client_of(context: typer.Context) -> Client:
    """A client of the server that the settings name."""
    from alambique.api.client import Client

    settings = settings_of(context)
    token = settings.token.get_secret_value() if settings.token else None
    return context.with_resource(Client(settings.url, token))
