"""Deleting versions: out of all lists at once, restored as long as their files are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from alambique.registry import tables, versions
from alambique.registry.aliases import check_no_alias
from alambique.registry.dialects import now
from alambique.registry.records import Version
from alambique.registry.tags import Expected, find_expected
from alambique.registry.transitions import HELD
from alambique.spec.errors import Conflict
from alambique.spec.states import PublicationState

_PENDING = tuple(state for state in PublicationState if not state.over)


@dataclass(frozen=True, slots=True)
class Expired:
    """A deleted version whose files are not to be kept any longer."""

    id: UUID
    name: str
    """As name@number."""
    project: str


@dataclass(frozen=True, slots=True)
class FileUse:
    """Who has what in the artifacts, as one state of the registry says."""

    named: frozenset[str]
    """The keys of the files of all versions whose files are not collected."""
    released: frozenset[str]
    """The keys that only collected versions name."""
    collected: frozenset[UUID]
    """The versions whose files are collected."""
    tokens: dict[UUID, int | None]
    """For each job, the lowest token under which it may still register what it stores. None: it is
    over."""


def delete(
    session: Session, project: str, name: str, number: int, *, expected: Expected = None
) -> Version:
    """Delete a version, and return it: it is out of all lists, and its files stay for a while.

    Raises:
        UnknownName: it is not there.
        Deleted: it is deleted already.
        Conflict: an alias points to it, or it waits to be published.
        Stale: it is not as expected.
    """
    found = versions.not_deleted(find_expected(session, project, name, number, expected))
    check_no_alias(found)
    _check_no_publication(session, found)
    return _change(session, found.id, deleted_at=now(session))


def restore(
    session: Session, project: str, name: str, number: int, *, expected: Expected = None
) -> Version:
    """Put a deleted version back, and return it; one that is not deleted stays as it is.

    Raises:
        UnknownName: it is not there.
        Deleted: its files were removed.
        Stale: it is not as expected.
    """
    found = find_expected(session, project, name, number, expected)
    if found.collected_at is not None:
        versions.not_deleted(found)
    return _change(session, found.id, deleted_at=None)


def expired(session: Session, retention: timedelta, *, lock: bool = False) -> tuple[Expired, ...]:
    """Return the versions that were deleted longer ago than the retention and not collected yet.

    Args:
        session: where they are read.
        retention: how long files of a deleted version are kept.
        lock: nobody restores one of them until the transaction ends.
    """
    version, model = tables.Version, tables.Model
    query = (
        select(version)
        .where(version.deleted_at <= now(session) - retention, version.collected_at.is_(None))
        .order_by(version.id)
    )
    if lock:
        query = query.with_for_update(key_share=True)
    rows = session.scalars(query.execution_options(populate_existing=True)).all()
    models = {
        row.id: row
        for row in session.scalars(select(model).where(model.id.in_({r.model_id for r in rows})))
    }
    return tuple(
        Expired(row.id, f"{models[row.model_id].name}@{row.number}", models[row.model_id].project)
        for row in rows
    )


def collect(session: Session, retention: timedelta) -> tuple[Expired, ...]:
    """Mark the expired versions as collected, and return them: from then on none is restored.

    Their files are removed after this transaction: killed between the two, whoever comes next finds
    files that only collected versions name.
    """
    found = expired(session, retention, lock=True)
    mark = update(tables.Version).where(tables.Version.id.in_([each.id for each in found]))
    session.execute(mark.values(collected_at=now(session)))
    return found


def file_use(session: Session, also: Sequence[Expired] = ()) -> FileUse:
    """Return who has what in the artifacts.

    Args:
        session: one that sees one state of the database.
        also: versions that are taken as collected.
    """
    version, job = tables.Version, tables.Job
    gone = {each.id for each in also}
    named, unnamed, collected = set[str](), set[str](), set[UUID]()
    query = select(version.id, version.artifact, version.collected_at)
    for version_id, artifact, collected_at in session.execute(query):
        if collected_at is None and version_id not in gone:
            named.add(artifact)
        else:
            unnamed.add(artifact)
            collected.add(version_id)
    tokens = {
        job_id: None if state.over else token if state in HELD else token + 1
        for job_id, token, state in session.execute(select(job.id, job.token, job.state))
    }
    return FileUse(frozenset(named), frozenset(unnamed - named), frozenset(collected), tokens)


def _check_no_publication(session: Session, version: Version) -> None:
    publication = tables.Publication
    query = select(publication.target).where(
        publication.version_id == version.id, publication.state.in_(_PENDING)
    )
    if targets := session.scalars(query.order_by(publication.target)).all():
        raise Conflict(
            f"{version.name}@{version.number} is about to be published to {', '.join(targets)}: "
            "delete it once that is over"
        )


def _change(session: Session, version_id: UUID, **changes: object) -> Version:
    session.execute(update(tables.Version).filter_by(id=version_id).values(**changes))
    session.expire_all()
    return versions.get(session, version_id)
