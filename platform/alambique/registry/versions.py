"""Models and their versions: numbered without gaps, recorded at most once per job and role."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from alambique.registry import tables
from alambique.registry.clock import now
from alambique.registry.moves import lock_job
from alambique.registry.pages import newest_first, page_of
from alambique.registry.records import Edge, File, Metric, Model, Page, Version
from alambique.registry.statements import insert_if_new
from alambique.registry.version_rows import models_of, parts, versions_of
from alambique.spec.errors import Conflict, UnknownName
from alambique.spec.excerpts import short
from alambique.spec.spelling import hint

_NUMBER = re.compile("[0-9]{1,9}")
_COMPARED = 200
"""Names that one which is not there is compared with."""


def record(
    session: Session,
    job_id: UUID,
    token: int,
    *,
    name: str,
    role: str,
    task: str,
    labels: Sequence[str],
    parameters: int,
    macs_linear: int,
    macs_full: int,
    weights: str,
    artifact: str,
    details: Mapping[str, Any] | None = None,
    files: Sequence[File] = (),
    metrics: Sequence[Metric] = (),
    lineage: Sequence[Edge] = (),
) -> Version:
    """The next version of the model `name` in the job's project.

    A job that has recorded that role before gets the version of that time, as it was. One version
    per transaction: two in the opposite order of another job's would wait for each other.

    Raises:
        LostLease: the job is not held under `token` any more.
        Conflict: the model of that name is of another task.
    """
    # this makes the transactions for a job's roles come one at a time, too
    job = lock_job(session, job_id, token=token)
    before = select(tables.Version).filter_by(job_id=job_id, role=role)
    if recorded := session.scalar(before):
        return versions_of(session, [recorded])[0]
    at, version_id = now(session), uuid7()
    model_id = _model_id(session, job.project, name, task, at)
    version = tables.Version(
        id=version_id,
        model_id=model_id,
        number=_next_number(session, model_id),
        role=role,
        job_id=job_id,
        created_at=at,
        labels=list(labels),
        parameters=parameters,
        macs_linear=macs_linear,
        macs_full=macs_full,
        weights=weights,
        artifact=artifact,
        details=dict(details or {}),
    )
    session.add(version)
    session.flush()
    session.add_all(parts(version_id, files, metrics, lineage))
    session.flush()
    return versions_of(session, [version])[0]


def find(session: Session, project: str, name: str, version: int | str = "latest") -> Version:
    """A version by its number (also as text), or the newest one by "latest".

    Raises:
        UnknownName: the model or the version is not there.
    """
    known = model(session, project, name)
    if version == "latest":
        return known.latest
    number = _number(version)
    row = session.scalar(select(tables.Version).filter_by(model_id=known.id, number=number))
    if row is None:
        raise UnknownName(
            f"model {name!r} has no version {str(version)[:40]!r}: "
            f"give a number up to {known.latest.number}, or latest"
        )
    return versions_of(session, [row])[0]


def find_existing(
    session: Session, project: str, asked: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return those of the names with versions that `find` finds, by one query."""
    model = tables.Model
    names = {name for name, _ in asked}
    query = select(model.name, model.newest).where(model.project == project, model.name.in_(names))
    newest = {name: number for name, number in session.execute(query)}
    return {
        (name, version)
        for name, version in asked
        if name in newest and (version == "latest" or 0 < _number(version) <= newest[name])
    }


def get(session: Session, version_id: UUID) -> Version:
    """A version by its id, as lineage names it.

    Raises:
        UnknownName: it is not there.
    """
    row = session.get(tables.Version, version_id)
    if row is None:
        raise UnknownName(f"there is no version of id {version_id}")
    return versions_of(session, [row])[0]


def by_weights(session: Session, project: str, weights: str) -> Version | None:
    """The newest version in the project with weights of that hash."""
    query = _versions_of(project=project).where(tables.Version.weights == weights)
    row = session.scalar(query.order_by(tables.Version.id.desc()).limit(1))
    return None if row is None else versions_of(session, [row])[0]


def page(
    session: Session,
    *,
    project: str | None = None,
    name: str | None = None,
    task: str | None = None,
    role: str | None = None,
    job_id: UUID | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Version]:
    """Versions, newest first: those that are as asked for.

    Raises:
        BadSpec: the cursor is not one that a page gave.
    """
    query = _versions_of(project=project, name=name, task=task)
    if role is not None:
        query = query.where(tables.Version.role == role)
    if job_id is not None:
        query = query.where(tables.Version.job_id == job_id)
    order = newest_first(tables.Version.id)
    return page_of(session, query, order, cursor, limit, partial(versions_of, session))


def model(session: Session, project: str, name: str) -> Model:
    """A model, with its newest version.

    Raises:
        UnknownName: it is not there.
    """
    row = session.scalar(select(tables.Model).filter_by(project=project, name=name))
    if row is None:
        query = select(tables.Model.name).filter_by(project=project).order_by(tables.Model.name)
        near = hint(name, session.scalars(query.limit(_COMPARED)))
        raise UnknownName(
            f"project {short(project)} has no model {short(name)}: {near}`alambique models list` "
            "shows those it has"
        )
    return models_of(session, [row])[0]


def models(
    session: Session,
    *,
    project: str | None = None,
    task: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Model]:
    """Models, newest first: those that are as asked for.

    Raises:
        BadSpec: the cursor is not one that a page gave.
    """
    query = select(tables.Model)
    if project is not None:
        query = query.where(tables.Model.project == project)
    if task is not None:
        query = query.where(tables.Model.task == task)
    order = newest_first(tables.Model.id)
    return page_of(session, query, order, cursor, limit, partial(models_of, session))


def _number(version: int | str) -> int:
    """The number that is said; 0, which no version has, where it is none."""
    return int(version) if _NUMBER.fullmatch(str(version)) else 0


def task_of(session: Session, project: str, name: str) -> str | None:
    """The task that versions of that model are for; None where there is no such model."""
    query = select(tables.Model.task).filter_by(project=project, name=name)
    return session.scalar(query)


def _versions_of(
    project: str | None = None, name: str | None = None, task: str | None = None
) -> Select[tables.Version]:
    """Versions of the models that are as asked for."""
    model = tables.Model
    filters = ((model.project, project), (model.name, name), (model.task, task))
    query = select(tables.Version).join(model, model.id == tables.Version.model_id)
    return query.where(*(column == value for column, value in filters if value is not None))


def _model_id(session: Session, project: str, name: str, task: str, at: datetime) -> UUID:
    """The model of that name; made where there is none."""
    values = {"id": uuid7(), "project": project, "name": name, "task": task, "newest": 0}
    insert_if_new(session, tables.Model, **values, created_at=at)
    row = session.scalars(select(tables.Model).filter_by(project=project, name=name)).one()
    if row.task != task:
        raise Conflict(
            f"model {name!r} of project {project!r} is of task {row.task}, this version of {task}: "
            "give the job another name"
        )
    return row.id


def _next_number(session: Session, model_id: UUID) -> int:
    """Locks the model until the transaction ends: a number is used, or given again."""
    count = update(tables.Model).where(tables.Model.id == model_id)
    count = count.values(newest=tables.Model.newest + 1)
    return session.execute(count.returning(tables.Model.newest)).scalar_one()
