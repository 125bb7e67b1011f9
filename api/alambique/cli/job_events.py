"""The events of a job on a server, as they come."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from alambique.api.client import Client
from alambique.api.transport import NoServer
from alambique.api.views import EventView
from alambique.registry.transitions import WAITING

_JOB_PAUSE = 1.0
"""Seconds between two looks at a job that waits: what it waits for is no event of its own."""


def job_events(client: Client, job_id: UUID, *, pause: float = _JOB_PAUSE) -> Iterator[EventView]:
    """Yield the events of a job on a server until it is over.

    While it waits there is also an event of kind "waiting" at once, and another whenever its
    `ahead` and `why` change.
    """
    for event in client.watch(job_id):
        yield event
        if event.kind == "state" and event.content["state"] in WAITING:
            yield from _waiting_events(client, job_id, pause)


def _waiting_events(client: Client, job_id: UUID, pause: float) -> Iterator[EventView]:
    """Yield why the job waits, until it does not; events come in meanwhile, and are read then."""
    last = None
    while (waiting := _waiting(client, job_id)) is not None:
        if waiting != last:
            yield EventView(id=0, at=datetime.now(UTC), kind="waiting", content=waiting)
            last = waiting
        time.sleep(pause)


def _waiting(client: Client, job_id: UUID) -> dict[str, object] | None:
    try:
        waiting = client.job(job_id).waiting
    except NoServer:
        return None  # the stream finds that out too, and knows how often to try again
    return waiting.model_dump() if waiting else None
