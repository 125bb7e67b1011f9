"""The rows of models and versions as records."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.records import Edge, File, Metric, Model, Note, Version

_Part = TypeVar(
    "_Part", tables.File, tables.Metric, tables.Edge, tables.Tag, tables.Note, tables.Alias
)


def version_records(session: Session, rows: Sequence[tables.Version]) -> list[Version]:
    """Return the versions as records, whole, in the order given."""
    ids = [row.id for row in rows]
    of_rows = tables.Model.id.in_([row.model_id for row in rows])
    models = {model.id: model for model in session.scalars(select(tables.Model).where(of_rows))}
    files = _by_version(session.scalars(_select_parts(tables.File, ids)))
    metrics = _by_version(session.scalars(_select_parts(tables.Metric, ids)))
    edges = _by_version(session.scalars(_select_parts(tables.Edge, ids)))
    tags = _by_version(session.scalars(_select_parts(tables.Tag, ids)))
    notes = _by_version(session.scalars(_select_parts(tables.Note, ids)))
    aliases = _by_version(session.scalars(_select_parts(tables.Alias, ids)))
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
            aliases=tuple(sorted(part.name for part in aliases[row.id])),
            tags=tuple(sorted(part.tag for part in tags[row.id])),
            notes=tuple(Note(part.at, part.text) for part in notes[row.id]),
        )
        for row in rows
    ]


def model_records(
    session: Session, rows: Sequence[tables.Model], matches: Mapping[UUID, int] | None = None
) -> list[Model]:
    """Return models that have versions as records, in the order given.

    Args:
        session: where their versions are read.
        rows: the models.
        matches: for each model, the number of the version that is shown as its match.
    """
    ids = [row.id for row in rows]
    version = tables.Version
    living = select(version.model_id, func.max(version.number), func.count())
    living = living.where(version.model_id.in_(ids), version.deleted_at.is_(None))
    counts = {
        model_id: (newest, count)
        for model_id, newest, count in session.execute(living.group_by(version.model_id))
    }
    shown = {(model_id, newest) for model_id, (newest, _) in counts.items()}
    shown |= set((matches or {}).items())
    numbered = _numbered(session, shown)
    found = []
    for row in rows:
        newest, count = counts[row.id]
        matching = (matches or {}).get(row.id, newest)
        match = None if matching == newest else numbered[row.id, matching]
        latest = numbered[row.id, newest]
        found.append(
            Model(row.id, row.project, row.name, row.task, row.created_at, count, latest, match)
        )
    return found


def _numbered(
    session: Session, wanted: Collection[tuple[UUID, int]]
) -> dict[tuple[UUID, int], Version]:
    """Return the versions with these models and numbers."""
    version = tables.Version
    rows = session.scalars(
        select(version).where(
            version.model_id.in_({model_id for model_id, _ in wanted}),
            version.number.in_({number for _, number in wanted}),
        )
    ).all()
    rows = [row for row in rows if (row.model_id, row.number) in wanted]
    records = version_records(session, rows)
    return {(row.model_id, row.number): one for row, one in zip(rows, records, strict=True)}


def _select_parts(table: type[_Part], ids: Sequence[UUID]) -> Select[_Part]:
    query = select(table).where(table.version_id.in_(ids))
    return query.order_by(*table.__table__.primary_key)


def _by_version(rows: Iterable[_Part]) -> dict[UUID, list[_Part]]:
    grouped: dict[UUID, list[_Part]] = defaultdict(list)
    for row in rows:
        grouped[row.version_id].append(row)
    return grouped
