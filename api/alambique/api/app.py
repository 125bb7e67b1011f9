"""The application: its routes, and what stands around all of them."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from alambique.api import catalogue, health, jobs, models, suites
from alambique.api.context import Context
from alambique.api.event_poller import EventPoller
from alambique.api.gains import StoredGains
from alambique.api.methods import HeadAnswers
from alambique.api.openapi import PROBLEMS, add_schemas
from alambique.api.origins import OriginCheck
from alambique.api.problems import BodyLimitProblem, answer_with_problems
from alambique.api.protection import ProtectionHeaders
from alambique.registry.database import Database
from alambique.spec.settings import Settings

BODY_LIMIT = 1 << 20
"""Bytes of the largest body that is read."""


def create_app(
    settings: Settings, *, host: str | None = None, stop: threading.Event | None = None
) -> FastAPI:
    """The REST API over the database and the artifacts that `settings` name.

    Args:
        settings: read once by the caller.
        host: the name or address on which the server was told to listen.
        stop: set by a server that is about to stop, so that event streams end by themselves.
    """
    database, stop = Database(settings.database), stop or threading.Event()
    poller = EventPoller(database, stop)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        stop.set()
        await poller.close()
        database.dispose()

    app = FastAPI(
        title="alambique",
        version="1",
        lifespan=lifespan,
        responses=PROBLEMS,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        redirect_slashes=False,  # Starlette builds them from Host, as absolute URLs
    )
    app.state.context = Context(settings, database, stop, poller, StoredGains(database))
    for part in (jobs, suites, models, catalogue, health):
        app.include_router(part.router)
    answer_with_problems(app)
    app.add_middleware(HeadAnswers)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=BODY_LIMIT)
    app.add_middleware(BodyLimitProblem, limit=BODY_LIMIT)
    app.add_middleware(OriginCheck, hosts=[*settings.hosts, *([host] if host else [])])
    app.add_middleware(ProtectionHeaders)
    add_schemas(app)
    return app
