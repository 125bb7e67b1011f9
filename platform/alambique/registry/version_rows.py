"""Versions and models between their tables and their records, a list at a time."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.records import Edge, File, Metric, Model, Version

P = TypeVar("P", tables.File, tables.Metric, tables.Edge)


def parts(
    version_id: UUID, files: Sequence[File], metrics: Sequence[Metric], lineage: Sequence[Edge]
) -> Iterator[tables.Table]:
    """The rows that belong to a version."""
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


def versions_of(session: Session, rows: Sequence[tables.Version]) -> list[Version]:
    """The versions as records, whole, in the order given."""
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
        )
        for row in rows
    ]


def models_of(session: Session, rows: Sequence[tables.Model]) -> list[Model]:
    """The models as records, each with its newest version, in the order given."""
    newest = select(tables.Version).join(
        tables.Model,
        (tables.Model.id == tables.Version.model_id)
        & (tables.Model.newest == tables.Version.number),
    )
    newest_rows = session.scalars(newest.where(tables.Model.id.in_([row.id for row in rows]))).all()
    latest = dict(
        zip((row.model_id for row in newest_rows), versions_of(session, newest_rows), strict=True)
    )
    return [
        Model(row.id, row.project, row.name, row.task, row.created_at, row.newest, latest[row.id])
        for row in rows
    ]


def _select_parts(table: type[P], ids: Sequence[UUID]) -> Select[P]:
    query = select(table).where(table.version_id.in_(ids))
    return query.order_by(*table.__table__.primary_key)


def _by_version(rows: Iterable[P]) -> dict[UUID, list[P]]:
    grouped: dict[UUID, list[P]] = defaultdict(list)
    for row in rows:
        grouped[row.version_id].append(row)
    return grouped
