"""What people say of versions: tags, by which they are found, and notes."""

import re
from collections.abc import Collection

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from alambique.registry import tables, versions
from alambique.registry.dialects import insert_if_new, now, storable
from alambique.registry.records import Version
from alambique.registry.version_rows import version_records
from alambique.spec.errors import BadSpec, Stale, UnknownName
from alambique.spec.excerpts import short

_TAG = re.compile(r"\w[\w.-]{0,95}")
NOTE_LENGTH = 10_000
"""Characters of the longest note."""

Expected = Collection[str] | None
"""Tags of a version (`Version.tag`), one of which it has to have; None: whatever it is."""


def add_tag(
    session: Session,
    project: str,
    name: str,
    version: int | str,
    tag: str,
    *,
    expected: Expected = None,
) -> Version:
    """Give a version a tag, which it may have already, and return the version.

    Raises:
        BadSpec: no tag can be that word.
        UnknownName: the version is not there.
        Stale: the version is not as expected.
    """
    if not _TAG.fullmatch(tag):
        raise BadSpec(
            f"{short(tag)} can be no tag: give one word of letters, digits and . _ -, at most 96 "
            "of them"
        )
    found = versions.not_deleted(find_expected(session, project, name, version, expected))
    insert_if_new(session, tables.Tag, version_id=found.id, tag=tag)
    return versions.get(session, found.id)


def remove_tag(
    session: Session,
    project: str,
    name: str,
    version: int | str,
    tag: str,
    *,
    expected: Expected = None,
) -> Version:
    """Take a tag from a version, and return the version.

    Raises:
        UnknownName: the version is not there, or has no such tag.
        Stale: the version is not as expected.
    """
    found = versions.not_deleted(find_expected(session, project, name, version, expected))
    if tag not in found.tags:
        raise UnknownName(
            f"{found.name}@{found.number} has no tag {short(tag)}: "
            f"it has {', '.join(found.tags) or 'none'}"
        )
    session.execute(delete(tables.Tag).filter_by(version_id=found.id, tag=tag))
    return versions.get(session, found.id)


def add_note(
    session: Session,
    project: str,
    name: str,
    version: int | str,
    text: str,
    *,
    expected: Expected = None,
) -> Version:
    """Write a note about a version, and return the version.

    Raises:
        BadSpec: the note is empty, or too long.
        UnknownName: the version is not there.
        Stale: the version is not as expected.
    """
    said = (storable(text) or "").strip()
    if not 1 <= len(said) <= NOTE_LENGTH:
        raise BadSpec(f"a note has {len(said)} characters: give 1 to {NOTE_LENGTH}")
    found = versions.not_deleted(find_expected(session, project, name, version, expected))
    session.add(tables.Note(version_id=found.id, at=now(session), text=said))
    session.flush()
    return versions.get(session, found.id)


def find_expected(
    session: Session, project: str, name: str, version: int | str, expected: Expected
) -> Version:
    """Return a version, deleted or not, which nobody else changes until the transaction ends.

    Raises:
        UnknownName: it is not there.
        Stale: it is not as expected.
    """
    versions.find_model(session, project, name, lock=True)
    version_id = versions.find_recorded(session, project, name, version).id
    query = select(tables.Version).filter_by(id=version_id).with_for_update(key_share=True)
    # another transaction may have deleted it since the line above
    row = session.scalars(query.execution_options(populate_existing=True)).one()
    (found,) = version_records(session, [row])
    if expected is not None and found.tag not in expected:
        raise Stale(
            f"{found.name}@{found.number} was changed since it was read: read it again, then decide"
        )
    return found
