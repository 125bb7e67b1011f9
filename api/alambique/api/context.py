"""What the routes need of the process, and the parameters that several of them take."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from fastapi import Depends, Query, Request

from alambique.api.database_problems import busy_database
from alambique.api.event_poller import EventPoller
from alambique.api.gains import Gains
from alambique.api.hub import HubLookUps
from alambique.api.predictor import Predictor
from alambique.api.problems import Refusal
from alambique.registry.database import BUSY_SECONDS, CONNECTIONS, Database
from alambique.spec.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """What one server was built from."""

    settings: Settings
    database: Database
    stop: threading.Event
    """Set when the server is about to stop: streams end then."""
    events: EventPoller
    gains: Gains
    """Draws what students of suites gained, each once while the server runs."""
    predictor: Predictor
    """Answers queries with versions."""
    hub: HubLookUps = field(default_factory=HubLookUps)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS))
    """For requests that write. There are 40 threads: of many that wait for a lock of the database,
    those that have no connection yet wait without one, and those who read find theirs."""


# dependencies are coroutines where they wait for nothing: plain ones would cost a thread each


async def _context(request: Request) -> Context:
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


AppContext = Annotated[Context, Depends(_context)]


async def _database(context: AppContext) -> Database:
    return context.database


Db = Annotated[Database, Depends(_database)]


async def _wait_for_turn(context: AppContext) -> AsyncIterator[Database]:
    try:
        async with asyncio.timeout(BUSY_SECONDS):
            await context.turns.acquire()
    except TimeoutError:
        raise Refusal(busy_database()) from None
    try:
        yield context.database
    finally:
        context.turns.release()


# until the route returns, and not until the client has read the answer
WritableDb = Annotated[Database, Depends(_wait_for_turn, scope="function")]
"""The database, once it is this request's turn to write; after the body, which may be slow."""

Cursor = Annotated[str | None, Query(description="`next` of the page before.", max_length=500)]
IdPrefix = Annotated[
    str | None, Query(description="The first digits of an id, 1 to 32.", max_length=36)
]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Project = Annotated[str, Query(description="The project that the name is of.")]


class ModelName(NamedTuple):
    """A model of a project; its items are the first arguments of the registry's functions."""

    project: str
    name: str


async def _model_name(name: str, project: Project = "default") -> ModelName:
    return ModelName(project, name)


NamedModel = Annotated[ModelName, Depends(_model_name)]
"""The model that the path and the parameter `project` name."""
