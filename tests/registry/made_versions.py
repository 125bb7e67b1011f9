"""Versions for the tests of the registry: recorded by jobs that the test holds."""

from datetime import timedelta
from typing import Any

from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Version
from alambique.spec.job import Job

LEASE = timedelta(minutes=1)


def running(database: Database, job: Job, **changes: Any) -> JobRow:
    """A job that is held, with fields of the small one changed."""
    with database.write() as session:
        posted = jobs.submit(session, job.model_copy(update=changes))
        row = jobs.take(session, "driver", LEASE, job_id=posted.id)
    assert row is not None
    return row


def recorded(database: Database, row: JobRow, **changes: Any) -> Version:
    """The version that a held job records, with fields of a plain one changed."""
    plain: dict[str, Any] = {
        "name": "tiny-ner",
        "role": "student",
        "task": "named-entities",
        "labels": ("O", "B-PER"),
        "parameters": 3_000_000_000,  # more than 32 bits hold
        "macs_linear": 5_000_000_000_000,
        "macs_full": 6_000_000_000_000,
        "weights": "w" * 64,
        "artifact": f"versions/{row.id}/{row.token}/student",
    }
    with database.write() as session:
        return versions.record(session, row.id, row.token, **plain | changes)


def several(database: Database, job: Job, count: int, **changes: Any) -> list[Version]:
    """That many versions of one model, the oldest first."""
    return [recorded(database, running(database, job), **changes) for _ in range(count)]
