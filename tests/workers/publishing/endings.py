"""How an attempt to publish ends: each helper carries out the next publication and says so."""

from collections.abc import Callable
from typing import Any

from tests.releases import Registered

from alambique.registry import tables
from alambique.registry.records import Publication
from alambique.spec.states import PublicationState
from alambique.workers.publishing.publisher import Publisher

Ask = Callable[..., Publication]


def published(publisher: Publisher) -> Publication:
    row = publisher.publish_next()
    assert row is not None
    assert (row.state, row.message) == (PublicationState.PUBLISHED, None)
    return row


def refused(publisher: Publisher) -> str:
    row = publisher.publish_next()
    assert row is not None
    assert row.state is PublicationState.REFUSED
    return str(row.message)


def postponed(publisher: Publisher) -> str:
    row = publisher.publish_next()
    assert row is not None
    assert (row.state, row.holder) == (PublicationState.WAITING, None)
    assert row.not_before is not None
    return str(row.message)


def ask_anew(registered: Registered, row: Publication) -> None:
    """Makes a publication due that waits for its next attempt."""
    with registered.database.write() as session:
        session.get_one(tables.Publication, row.id).not_before = None


def job_of_registered(registered: Registered) -> Any:
    from alambique.spec.reading import job_of

    return job_of(registered.job.spec)
