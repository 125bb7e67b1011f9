"""Models and their versions: numbered without gaps, recorded at most once per job and role."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from alambique.registry import tables
from alambique.registry.dialects import insert_if_new, now
from alambique.registry.moves import lock_job
from alambique.registry.pages import newest_first, page_of
from alambique.registry.records import Edge, File, Metric, Model, Page, Version
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
    """Record the next version of the model `name` in the job's project, and return it.

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
        return _version_records(session, [recorded])[0]
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
    session.add_all(_part_rows(version_id, files, metrics, lineage))
    session.flush()
    return _version_records(session, [version])[0]


def find(session: Session, project: str, name: str, version: int | str = "latest") -> Version:
    """Return a version by its number (also as text), or the newest one by "latest".

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
    return _version_records(session, [row])[0]


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
    """Return a version by its id, as lineage names it.

    Raises:
        UnknownName: it is not there.
    """
    row = session.get(tables.Version, version_id)
    if row is None:
        raise UnknownName(
            f"there is no version of id {version_id}: `alambique models list` "
            "shows the models there are"
        )
    return _version_records(session, [row])[0]


def by_weights(session: Session, project: str, weights: str) -> Version | None:
    """Return the newest version in the project with weights of that hash."""
    query = _select_versions(project=project).where(tables.Version.weights == weights)
    row = session.scalar(query.order_by(tables.Version.id.desc()).limit(1))
    return None if row is None else _version_records(session, [row])[0]


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
    """Return the versions that are as asked for, newest first.

    Raises:
        BadSpec: the cursor is not one that a page gave.
    """
    query = _select_versions(project=project, name=name, task=task)
    if role is not None:
        query = query.where(tables.Version.role == role)
    if job_id is not None:
        query = query.where(tables.Version.job_id == job_id)
    order = newest_first(tables.Version.id)
    return page_of(session, query, order, cursor, limit, partial(_version_records, session))


def model(session: Session, project: str, name: str) -> Model:
    """Return a model, with its newest version.

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
    return _model_records(session, [row])[0]


def models(
    session: Session,
    *,
    project: str | None = None,
    task: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Model]:
    """Return the models that are as asked for, newest first.

    Raises:
        BadSpec: the cursor is not one that a page gave.
    """
    query = select(tables.Model)
    if project is not None:
        query = query.where(tables.Model.project == project)
    if task is not None:
        query = query.where(tables.Model.task == task)
    order = newest_first(tables.Model.id)
    return page_of(session, query, order, cursor, limit, partial(_model_records, session))


def _number(version: int | str) -> int:
    """Return the number of a version; 0, which no version has, if the text is no number."""
    return int(version) if _NUMBER.fullmatch(str(version)) else 0


def task_of(session: Session, project: str, name: str) -> str | None:
    """Return the task that versions of that model are for; None where there is no such model."""
    query = select(tables.Model.task).filter_by(project=project, name=name)
    return session.scalar(query)


def _select_versions(
    project: str | None = None, name: str | None = None, task: str | None = None
) -> Select[tables.Version]:
    """Return the query of versions of the models that are as asked for."""
    model = tables.Model
    filters = ((model.project, project), (model.name, name), (model.task, task))
    query = select(tables.Version).join(model, model.id == tables.Version.model_id)
    return query.where(*(column == value for column, value in filters if value is not None))


def _model_id(session: Session, project: str, name: str, task: str, at: datetime) -> UUID:
    """Return the id of the model of that name, which is made if there is none."""
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
    """Return the next number of a model, which stays locked until the transaction ends.

    A number of a transaction that is undone is given again.
    """
    count = update(tables.Model).where(tables.Model.id == model_id)
    count = count.values(newest=tables.Model.newest + 1)
    return session.execute(count.returning(tables.Model.newest)).scalar_one()


_Part = TypeVar("_Part", tables.File, tables.Metric, tables.Edge)


def _part_rows(
    version_id: UUID, files: Sequence[File], metrics: Sequence[Metric], lineage: Sequence[Edge]
) -> Iterator[tables.Table]:
    """Yield the rows that belong to a version."""
    for file in files:
        yield tables.File(version_id=version_id, name=file.name, sha256=file.sha256, size=file.size)
    for metric in metrics:
        yield tables.Metric(
            version_id=version_id,
            data=metric.data,
            split=metric.split,
            name=metric.name,
            value=metric.value,
            settings=dict(metric.settings),
        )
    for edge in lineage:
        yield tables.Edge(
            version_id=version_id,
            parent_id=edge.parent,
            relation=edge.relation,
            hashes=dict(edge.hashes),
        )


def _version_records(session: Session, rows: Sequence[tables.Version]) -> list[Version]:
    """Return the versions as records, whole, in the order given."""
    ids = [row.id for row in rows]
    of_rows = tables.Model.id.in_([row.model_id for row in rows])
    models = {model.id: model for model in session.scalars(select(tables.Model).where(of_rows))}
    files = _by_version(session.scalars(_select_parts(tables.File, ids)))
    metrics = _by_version(session.scalars(_select_parts(tables.Metric, ids)))
    edges = _by_version(session.scalars(_select_parts(tables.Edge, ids)))
    return [
        Version(
            id=row.id,
            project=models[row.model_id].project,
            name=models[row.model_id].name,
            number=row.number,
            role=row.role,
            job_id=row.job_id,
            created_at=row.created_at,
            task=models[row.model_id].task,
            labels=tuple(row.labels),
            parameters=row.parameters,
            macs_linear=row.macs_linear,
            macs_full=row.macs_full,
            weights=row.weights,
            artifact=row.artifact,
            details=row.details,
            files=tuple(File(part.name, part.sha256, part.size) for part in files[row.id]),
            metrics=tuple(
                Metric(part.data, part.split, part.name, part.value, part.settings)
                for part in metrics[row.id]
            ),
            lineage=tuple(
                Edge(part.relation, part.parent_id, part.hashes) for part in edges[row.id]
            ),
            deleted_at=row.deleted_at,
            collected_at=row.collected_at,
        )
        for row in rows
    ]


def _model_records(session: Session, rows: Sequence[tables.Model]) -> list[Model]:
    """Return the models as records, each with its newest version, in the order given."""
    newest = select(tables.Version).join(
        tables.Model,
        (tables.Model.id == tables.Version.model_id)
        & (tables.Model.newest == tables.Version.number),
    )
    newest_rows = session.scalars(newest.where(tables.Model.id.in_([row.id for row in rows]))).all()
    latest = dict(
        zip(
            (row.model_id for row in newest_rows),
            _version_records(session, newest_rows),
            strict=True,
        )
    )
    return [
        Model(row.id, row.project, row.name, row.task, row.created_at, row.newest, latest[row.id])
        for row in rows
    ]


def _select_parts(table: type[_Part], ids: Sequence[UUID]) -> Select[_Part]:
    query = select(table).where(table.version_id.in_(ids))
    return query.order_by(*table.__table__.primary_key)


def _by_version(rows: Iterable[_Part]) -> dict[UUID, list[_Part]]:
    grouped: dict[UUID, list[_Part]] = defaultdict(list)
    for row in rows:
        grouped[row.version_id].append(row)
    return grouped
