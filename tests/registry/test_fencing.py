"""Whoever lost a job changes nothing any more, whatever it tries."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from alambique.registry import jobs, stages, tables, versions
from alambique.registry.database import Database
from alambique.spec.errors import LostLease
from alambique.spec.job import Job
from alambique.spec.states import Reason, StageName, State

LEASE = timedelta(minutes=1)
Write = Callable[[Session, UUID, int], object]


def _record(session: Session, job_id: UUID, token: int) -> object:
    return versions.record(
        session,
        job_id,
        token,
        name="tiny",
        role="student",
        task="named-entities",
        labels=("O",),
        parameters=1,
        macs_linear=1,
        macs_full=1,
        weights="w",
        artifact="a",
    )


WRITES: dict[str, Write] = {
    "renew": lambda session, job_id, token: jobs.renew(session, job_id, token, LEASE),
    "progress": lambda session, job_id, token: jobs.record_progress(
        session, job_id, token, stage=StageName.TEACH
    ),
    "note": lambda session, job_id, token: jobs.note(session, job_id, token, "log", {"lines": []}),
    "finish": lambda session, job_id, token: jobs.finish(session, job_id, token, {}),
    "fail": lambda session, job_id, token: jobs.fail(session, job_id, token, Reason.INTERNAL, ""),
    "release": lambda session, job_id, token: jobs.release(session, job_id, token),
    "move": lambda session, job_id, token: jobs.move(session, job_id, State.PAUSED, token=token),
    "done": lambda session, job_id, token: stages.record(
        session, job_id, token, "default", "key", StageName.TEACH, {}
    ),
    "record": _record,
}


def _lost(database: Database, job: Job) -> tuple[UUID, int]:
    with database.write() as session:
        jobs.submit(session, job)
        held = jobs.take(session, "first", timedelta(0))
        assert held is not None
        jobs.reap(session)
    return held.id, held.token


def _all_rows(database: Database) -> list[object]:
    with database.read() as session:
        return [
            list(session.execute(select(*table.__table__.columns)).all())
            for table in (
                tables.Job,
                tables.Event,
                tables.Attempt,
                tables.StageDone,
                tables.Version,
            )
        ]


@pytest.mark.parametrize("write", WRITES)
def test_after_the_lease_ran_out_nothing_is_written(
    database: Database, job: Job, write: str
) -> None:
    job_id, token = _lost(database, job)
    before = _all_rows(database)
    with database.write() as session, pytest.raises(LostLease):
        WRITES[write](session, job_id, token)
    assert _all_rows(database) == before


@pytest.mark.parametrize("write", WRITES)
def test_under_the_next_holder_nothing_is_written(database: Database, job: Job, write: str) -> None:
    job_id, token = _lost(database, job)
    with database.write() as session:
        held = jobs.take(session, "second", LEASE)
    assert held is not None
    assert held.token == token + 1
    before = _all_rows(database)
    with database.write() as session, pytest.raises(LostLease):
        WRITES[write](session, job_id, token)
    assert _all_rows(database) == before
    with database.write() as session:
        WRITES[write](session, job_id, held.token)
    assert write == "renew" or _all_rows(database) != before


@pytest.mark.parametrize("write", WRITES)
def test_after_the_end_nothing_is_written(database: Database, job: Job, write: str) -> None:
    with database.write() as session:
        jobs.submit(session, job)
        held = jobs.take(session, "driver", LEASE)
        assert held is not None
        jobs.finish(session, held.id, held.token, {})
    before = _all_rows(database)
    with database.write() as session, pytest.raises(LostLease):
        WRITES[write](session, held.id, held.token)
    assert _all_rows(database) == before
