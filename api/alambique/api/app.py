"""The application: its routes, what stands around all of them, and their description."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from alambique.api import (
    catalogue,
    health,
    jobs,
    model_changes,
    models,
    publications,
    suites,
)
from alambique.api.context import Context
from alambique.api.database_problems import answer_database_errors
from alambique.api.event_poller import EventPoller
from alambique.api.gains import StoredGains
from alambique.api.middleware import BodyLimitProblem, HeadAnswers, ProtectionHeaders
from alambique.api.origins import OriginCheck
from alambique.api.predictor import Predictor
from alambique.api.problems import MEDIA_TYPE, answer_with_problems
from alambique.api.request_body import SCHEMA_REFERENCE
from alambique.api.views import Problem
from alambique.registry.database import Database
from alambique.spec.job import Job
from alambique.spec.settings import Settings
from alambique.spec.suite import Suite

BODY_LIMIT = 1 << 20
"""Bytes of the largest body that is read."""

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What is wrong, with a stable `code`",
        "content": {MEDIA_TYPE: {"schema": {"$ref": SCHEMA_REFERENCE.format(model="Problem")}}},
    }
}
"""The answer of any route that is no success."""


def create_app(
    settings: Settings, *, host: str | None = None, stop: threading.Event | None = None
) -> FastAPI:
    """Return the REST API over the database and the artifacts that `settings` name.

    Args:
        settings: read once by the caller.
        host: the name or address on which the server was told to listen.
        stop: set by a server that is about to stop, so that event streams end by themselves.
    """
    database, stop = Database(settings.database), stop or threading.Event()
    poller, predictor = EventPoller(database, stop), Predictor(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        stop.set()
        await poller.close()
        predictor.close()
        database.dispose()

    app = FastAPI(
        title="alambique",
        version="1",
        lifespan=lifespan,
        responses=_PROBLEMS,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        redirect_slashes=False,  # Starlette builds them from Host, as absolute URLs
    )
    gains = StoredGains(database)
    app.state.context = Context(settings, database, stop, poller, gains, predictor)
    for part in (jobs, suites, models, model_changes, publications, catalogue, health):
        app.include_router(part.router)
    answer_with_problems(app)
    answer_database_errors(app)
    app.add_middleware(HeadAnswers)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=BODY_LIMIT)
    app.add_middleware(BodyLimitProblem, limit=BODY_LIMIT)
    app.add_middleware(OriginCheck, hosts=[*settings.hosts, *([host] if host else [])])
    app.add_middleware(ProtectionHeaders)
    _add_schemas(app)
    return app


def _add_schemas(app: FastAPI) -> None:
    """Add the schemas that FastAPI cannot know: of what is posted, and of problems."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = describe()["components"]["schemas"]
            schemas |= {**_schemas(Job), **_schemas(Suite), **_schemas(Problem)}
        return describe()

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's own pages do


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=SCHEMA_REFERENCE)
    return {**schema.pop("$defs", {}), model.__name__: schema}
