"""The command `alambique serve`: one model over HTTP, without database and torch."""

import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from alambique.cli.environment import settings_of
from alambique.cli.serving import Host, Port, configure_logging
from alambique.spec.errors import BadSpec, MissingExtra

if TYPE_CHECKING:
    from alambique.spec.settings import Settings

GRACE = 30
"""Seconds that queries have to be answered once the server is to stop."""
_MODULES = ("fastapi", "uvicorn", "prometheus_client")
"""What the server needs besides the runtime."""

Source = Annotated[
    str,
    typer.Argument(
        metavar="FOLDER_OR_URL",
        help="The folder of a version, https://host/v1/models/NAME/versions/N, or hub:team/name.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="That the model runs on; all processors by default."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Holds a token that every request has to bear."),
]


def serve(
    context: typer.Context,
    source: Source,
    host: Host = "127.0.0.1",
    port: Port = 8500,
    threads: Threads = None,
    token_file: TokenFile = None,
) -> None:
    """Serve one model: POST /predict, /predict/batch; GET /model, /healthz, /metrics.

    The model is a folder or a URL, and has the file of an engine, as `compress: [onnx-int8]` makes
    it. Queries that arrive together are run together, but for dynamic int8, whose answers would
    depend on one another. It needs no database and no torch.
    """
    configure_logging()
    _check_extra()
    from alambique.api.batcher import BatchLimits
    from alambique.api.model_server import create_model_app
    from alambique.cli.http_server import listen
    from alambique.cli.http_server import serve as serve_app
    from alambique.runtime.loading import load

    settings = settings_of(context)
    token = None if token_file is None else _read_token(token_file)
    with listen(host, port) as listener:
        token_there, cache = _source_token(source, settings), settings.home.absolute() / "models"
        model = load(source, threads=threads, cache=cache, token=token_there)
        limits = BatchLimits(queries=1) if model.is_batch_dependent else BatchLimits()
        hosts = [*settings.hosts, host]
        app = create_model_app(model, hosts=hosts, token=token, limits=limits)
        ready = "the model answers at {url}: stop it with Ctrl-C"
        serve_app(app, listener, stop=threading.Event(), ready=ready, grace=GRACE)


def _check_extra() -> None:
    """Raise `MissingExtra` if something that the server needs is not installed."""
    missing = [name for name in _MODULES if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"`alambique serve` needs {', '.join(missing)}: pip install 'alambique[serve]'"
        )


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSpec(f"--token-file {path} cannot be read: {error}") from error
    if not (token and token.isascii() and token.isprintable() and " " not in token):
        raise BadSpec(f"--token-file {path}: expected one token, of signs of ASCII without spaces")
    return token


def _source_token(source: str, settings: "Settings") -> str | None:
    """Return the token for where a model is fetched from, which no other server is sent."""
    if source.startswith("hub:"):
        try:
            from huggingface_hub import get_token
        except ImportError:  # which the runtime tells, since it needs it too
            return None
        return get_token()
    same = urlsplit(source)[:2] == urlsplit(settings.url)[:2]
    return settings.token.get_secret_value() if same and settings.token else None
