"""What the routes need of the process, and the parameters that several of them take."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request

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
IfNoneMatch = Annotated[str | None, Header(description="An ETag that the client has.")]
IfMatch = Annotated[
    str | None, Header(description="An ETag; where the thing has another one by now, it stays.")
]
Project = Annotated[str, Query(description="The project that the name is of.")]

UNCHANGED: dict[str, Any] = {"description": "The client has what there is (`If-None-Match`)"}


def tags_of(if_match: str | None) -> set[str] | None:
    """Return the ETags of which a thing has to have one to be changed; None: any will do.

    >>> tags_of(None), tags_of("*"), tags_of('"3"'), tags_of('W/"3"')
    (None, None, {'3'}, set())
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (tag.strip() for tag in if_match.split(","))
    # a weak one never matches (RFC 9110, §13.1.1)
    return {tag[1:-1] for tag in tags if len(tag) > 1 and tag[0] == tag[-1] == '"'}


def is_unchanged(tag: str, if_none_match: str | None) -> bool:
    """Return whether the client has the answer of that ETag already.

    >>> is_unchanged('"3"', 'W/"2", "3"'), is_unchanged('"3"', '"4"'), is_unchanged('"3"', None)
    (True, False, False)
    """
    return if_none_match is not None and tag in (
        known.strip().removeprefix("W/") for known in if_none_match.split(",")
    )
