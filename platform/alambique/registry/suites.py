"""Suites: submitted with all their jobs in one transaction, and read with their jobs' states."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from alambique.registry import jobs, tables
from alambique.registry.dialects import insert_if_new, now
from alambique.registry.pages import newest_first, page_of, starts_with
from alambique.registry.records import Page, SuiteJobRow, SuiteRow
from alambique.registry.submissions import canonical_json, hash_text, key_conflict
from alambique.registry.transitions import WAITING
from alambique.spec.errors import Conflict, UnknownName
from alambique.spec.job import Job
from alambique.spec.states import State
from alambique.spec.suite import Cell, Suite


def submit(
    session: Session,
    suite: Suite,
    planned: Sequence[tuple[Cell, Job]],
    *,
    key: str | None = None,
) -> SuiteRow:
    """Queue all jobs of a suite; if its key was used before, return the suite submitted then.

    Args:
        session: a transaction, which submits all jobs or none.
        suite: the posted suite.
        planned: its jobs, in the order of the queue.
        key: the idempotency key that the client chose.

    Raises:
        Conflict: the key was used for another spec.
    """
    at, suite_id = now(session), uuid7()
    insert_if_new(session, tables.Project, name=suite.project, created_at=at)
    values = {
        "id": suite_id,
        "project": suite.project,
        "name": suite.name,
        "spec": suite.model_dump(mode="json"),
        "created_at": at,
        "key": None if key is None else hash_text(key),
    }
    if not insert_if_new(session, tables.Suite, **values):
        return _find_by_key(session, suite, str(key), values["key"])
    jobs.submit_all(session, suite_id, planned)
    return find(session, suite_id)


def find_submitted(session: Session, suite: Suite, key: str) -> SuiteRow | None:
    """Return the suite that was submitted with a key; None if the key is new.

    Raises:
        Conflict: the key was used for another spec.
    """
    key_hash = hash_text(key)
    query = select(tables.Suite.id).filter_by(project=suite.project, key=key_hash)
    if session.scalars(query).one_or_none() is None:
        return None
    return _find_by_key(session, suite, key, key_hash)


def find(session: Session, suite_id: UUID) -> SuiteRow:
    """Return the suite of that id.

    Raises:
        UnknownName: there is none.
    """
    row = session.get(tables.Suite, suite_id)
    if row is None:
        raise UnknownName(
            f"there is no suite {suite_id}: `alambique suites list` shows those there are"
        )
    return _rows(session, [row])[0]


def page(
    session: Session,
    *,
    project: str | None = None,
    name: str | None = None,
    id_prefix: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[SuiteRow]:
    """Return the suites with this project, name and prefix of the id, newest first.

    Raises:
        BadSpec: the cursor is not one that a page gave, or no id begins with such a prefix.
    """
    query = select(tables.Suite)
    if project is not None:
        query = query.where(tables.Suite.project == project)
    if name is not None:
        query = query.where(tables.Suite.name == name)
    if id_prefix is not None:
        query = query.where(starts_with(tables.Suite.id, id_prefix))
    order = newest_first(tables.Suite.id)
    return page_of(session, query, order, cursor, limit, partial(_rows, session))


def jobs_in(session: Session, suite_id: UUID) -> tuple[SuiteJobRow, ...]:
    """Return the states of all jobs of a suite, in the order of the queue."""
    columns = [getattr(tables.Job, field.name) for field in fields(SuiteJobRow)]
    query = select(*columns).where(tables.Job.suite_id == suite_id).order_by(tables.Job.id)
    return tuple(SuiteJobRow(*row) for row in session.execute(query))


def results(
    session: Session, suite_id: UUID
) -> tuple[tuple[UUID, dict[str, Any], dict[str, Any]], ...]:
    """Return id, cell and result of each job of a suite that has succeeded, in their order."""
    job = tables.Job
    query = select(job.id, job.cell, job.result).order_by(job.id)
    done = query.where(job.suite_id == suite_id, job.state == State.SUCCEEDED)
    return tuple((id_, cell or {}, result or {}) for id_, cell, result in session.execute(done))


def cancel(session: Session, suite_id: UUID, *, limit: int = 100) -> bool:
    """Cancel the unfinished jobs of a suite; those that run are asked to end.

    Args:
        session: a transaction, for which other writers wait, heartbeats of drivers among them.
        suite_id: the suite.
        limit: the largest number of jobs to cancel in this transaction.

    Returns:
        Whether more jobs may be left.

    Raises:
        UnknownName: there is no such suite.
    """
    find(session, suite_id)
    job = tables.Job
    endable = job.state.in_((*WAITING, State.RUNNING, State.PAUSED))
    query = select(job.id).where(job.suite_id == suite_id, endable).order_by(job.id).limit(limit)
    job_ids = session.scalars(query).all()
    for job_id in job_ids:
        # the job may have ended in the meantime
        with suppress(Conflict):
            jobs.cancel(session, job_id)
    return len(job_ids) == limit


def _find_by_key(session: Session, suite: Suite, key: str, key_hash: object) -> SuiteRow:
    """Return the suite that was submitted with a key.

    Raises:
        Conflict: it has another spec.
    """
    query = select(tables.Suite).filter_by(project=suite.project, key=key_hash)
    row = session.scalars(query).one()
    if canonical_json(row.spec) != canonical_json(suite.model_dump(mode="json")):
        raise key_conflict(key, f"suite {row.id}")
    return find(session, row.id)


def _rows(session: Session, rows: Sequence[tables.Suite]) -> list[SuiteRow]:
    """Return the suites as records, with the states of their jobs."""
    job = tables.Job
    query = select(job.suite_id, job.state, func.count()).group_by(job.suite_id, job.state)
    states: dict[UUID | None, dict[State, int]] = defaultdict(dict)
    for suite_id, state, count in session.execute(
        query.where(job.suite_id.in_([row.id for row in rows]))
    ):
        states[suite_id][state] = count
    return [
        SuiteRow(row.id, row.project, str(row.name), row.spec, row.created_at, states[row.id])
        for row in rows
    ]
