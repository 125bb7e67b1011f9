"""Models and their versions: numbered without gaps, recorded at most once per job and role."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from alambique.registry import tables
from alambique.registry.dialects import insert_if_new, now
from alambique.registry.moves import lock_job
from alambique.registry.pages import newest_first, page_of
from alambique.registry.records import Edge, File, Metric, Model, Page, Version
from alambique.registry.version_rows import model_records, version_records
from alambique.spec.errors import Conflict, Deleted, UnknownName
from alambique.spec.excerpts import short
from alambique.spec.spelling import hint

_NUMBER = re.compile("[0-9]{1,9}")
_COMPARED = 200
"""Names that one which is not there is compared with."""
_SHOWN_ALIASES = 10
"""Aliases that an error lists."""


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
        Conflict: the model of that name is of another task, or the files under the artifact were
            those of versions that were deleted and collected meanwhile.
    """
    # this makes the transactions for a job's roles come one at a time, too
    job = lock_job(session, job_id, token=token)
    before = select(tables.Version).filter_by(job_id=job_id, role=role)
    if recorded := session.scalar(before):
        return version_records(session, [recorded])[0]
    _check_files_are_there(session, artifact)
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
    return version_records(session, [version])[0]


def find(session: Session, project: str, name: str, version: int | str = "latest") -> Version:
    """Return a version by its number (also as text), by an alias, or the newest by "latest".

    Raises:
        Deleted: it was there, and was deleted.
        UnknownName: the model or the version is not there.
    """
    return not_deleted(find_recorded(session, project, name, version))


def find_recorded(
    session: Session, project: str, name: str, version: int | str = "latest"
) -> Version:
    """Return a version as `find` does, or a deleted one by its number: lineage may name it.

    Raises:
        Deleted: the latest is asked for, and all were deleted.
        UnknownName: the model or the version is not there.
    """
    row = find_model(session, project, name)
    if version == "latest":
        return _latest(session, row)
    if (number := _number(version)) == 0:
        number = _alias_number(session, row.id, str(version))
    found = session.scalar(select(tables.Version).filter_by(model_id=row.id, number=number))
    if found is None:
        raise UnknownName(
            f"model {name!r} has no version {str(version)[:40]!r}: "
            f"give a number up to {row.newest}, latest, or an alias{_alias_list(session, row.id)}"
        )
    return version_records(session, [found])[0]


def not_deleted(version: Version) -> Version:
    """Return the version itself.

    Raises:
        Deleted: it is deleted; the message says how to restore it, if it can be.
    """
    if version.deleted_at is None:
        return version
    name = f"{version.name}@{version.number}"
    said = f"{name} was deleted on {version.deleted_at:%Y-%m-%d}"
    if version.collected_at is None:
        raise Deleted(
            f"{said}: `alambique models restore {name}` brings it back, as long as its files are "
            "not removed"
        )
    raise Deleted(
        f"{said}, and its files were removed on {version.collected_at:%Y-%m-%d}: name another "
        f"version, as `alambique models show {version.name}` lists them"
    )


def find_existing(
    session: Session, project: str, asked: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return those of the names with versions that `find` finds, by three queries."""
    model, version, alias = tables.Model, tables.Version, tables.Alias
    names, versions = {name for name, _ in asked}, {each for _, each in asked}
    numbers = {_number(each) for each in versions} - {0}
    living = select(model.name, version.number).join(version, version.model_id == model.id)
    living = living.where(
        model.project == project, model.name.in_(names), version.deleted_at.is_(None)
    )
    numbered = set(session.execute(living.where(version.number.in_(numbers))))
    latest = set(session.scalars(living.with_only_columns(model.name).distinct()))
    aliased = select(model.name, alias.name).join(alias, alias.model_id == model.id)
    aliased = aliased.where(model.project == project, model.name.in_(names))
    aliases = set(session.execute(aliased.where(alias.name.in_(versions))))
    return {
        (name, version)
        for name, version in asked
        if (name, _number(version)) in numbered
        or (name, version) in aliases
        or (version == "latest" and name in latest)
    }


def get(session: Session, version_id: UUID) -> Version:
    """Return a version by its id, as lineage names it, whether it is deleted or not.

    Raises:
        UnknownName: it is not there.
    """
    row = session.get(tables.Version, version_id)
    if row is None:
        raise UnknownName(
            f"there is no version of id {version_id}: `alambique models list` "
            "shows the models there are"
        )
    return version_records(session, [row])[0]


def by_weights(session: Session, project: str, weights: str) -> Version | None:
    """Return the newest version in the project with weights of that hash that is not deleted."""
    query = _select_versions(project=project).where(
        tables.Version.weights == weights, tables.Version.deleted_at.is_(None)
    )
    row = session.scalar(query.order_by(tables.Version.id.desc()).limit(1))
    return None if row is None else version_records(session, [row])[0]


def page(
    session: Session,
    *,
    project: str | None = None,
    name: str | None = None,
    task: str | None = None,
    role: str | None = None,
    job_id: UUID | None = None,
    deleted: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Version]:
    """Return the versions that are as asked for, newest first; the deleted ones, or the others.

    Raises:
        BadSpec: the cursor is not one that a page gave.
    """
    deletion = tables.Version.deleted_at
    query = _select_versions(project=project, name=name, task=task)
    query = query.where(deletion.is_not(None) if deleted else deletion.is_(None))
    if role is not None:
        query = query.where(tables.Version.role == role)
    if job_id is not None:
        query = query.where(tables.Version.job_id == job_id)
    order = newest_first(tables.Version.id)
    return page_of(session, query, order, cursor, limit, partial(version_records, session))


def model(session: Session, project: str, name: str) -> Model:
    """Return a model, with its newest version.

    Raises:
        Deleted: all its versions were deleted.
        UnknownName: it is not there.
    """
    row = find_model(session, project, name)
    _latest(session, row)
    return model_records(session, [row])[0]


def find_model(session: Session, project: str, name: str, *, lock: bool = False) -> tables.Model:
    """Return the row of a model, also of one whose versions were all deleted.

    Args:
        session: where it is read.
        project: of the model.
        name: of the model.
        lock: no other transaction moves its aliases, or deletes or restores its versions, until
            this one ends.

    Raises:
        UnknownName: it is not there.
    """
    query = select(tables.Model).filter_by(project=project, name=name)
    if lock:
        # key_share: FOR NO KEY UPDATE, for which rows that refer to the model need not wait
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    row = session.scalar(query)
    if row is None:
        names = select(tables.Model.name).filter_by(project=project).order_by(tables.Model.name)
        near = hint(name, session.scalars(names.limit(_COMPARED)))
        raise UnknownName(
            f"project {short(project)} has no model {short(name)}: {near}`alambique models list` "
            "shows those it has"
        )
    return row


def _latest(session: Session, model: tables.Model) -> Version:
    """Return the newest version that is not deleted.

    Raises:
        Deleted: there is none.
    """
    query = select(tables.Version).filter_by(model_id=model.id, deleted_at=None)
    row = session.scalar(query.order_by(tables.Version.number.desc()).limit(1))
    if row is None:
        raise Deleted(
            f"all versions of {model.name} were deleted: `alambique models versions {model.name} "
            "--deleted` shows which can be restored"
        )
    return version_records(session, [row])[0]


def _alias_number(session: Session, model_id: UUID, alias: str) -> int:
    """Return the number of the version that an alias points to; 0 if there is no such alias."""
    query = select(tables.Version.number).join(
        tables.Alias, tables.Alias.version_id == tables.Version.id
    )
    query = query.where(tables.Alias.model_id == model_id, tables.Alias.name == alias)
    return session.scalar(query) or 0


def _alias_list(session: Session, model_id: UUID) -> str:
    """Return the aliases of a model for a message, in brackets; nothing if it has none."""
    query = select(tables.Alias.name).filter_by(model_id=model_id).order_by(tables.Alias.name)
    names = session.scalars(query.limit(_SHOWN_ALIASES)).all()
    return f" ({', '.join(names)})" if names else ""


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


def _check_files_are_there(session: Session, artifact: str) -> None:
    """Raise `Conflict` if the files that versions share were removed since they were found.

    Until this transaction ends, nobody marks another version of them as collected.
    """
    version = tables.Version
    query = select(version.collected_at).where(version.artifact == artifact)
    collected = session.scalars(query.with_for_update(read=True)).all()
    if collected and None not in collected:
        raise Conflict(
            f"the files under {artifact} were removed with the last version that had them: submit "
            "the job again, which stores them anew"
        )


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
