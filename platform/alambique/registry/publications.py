"""Publications: asked for, taken under a lease and a token, carried on, ended."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from alambique.registry import tables
from alambique.registry.bounds import bounded_message
from alambique.registry.dialects import insert_if_new, now
from alambique.registry.pages import newest_first, page_of
from alambique.registry.records import Page, Publication, Version
from alambique.spec.errors import Conflict, LostLease, UnknownName
from alambique.spec.publication import LicenceOverride, Target
from alambique.spec.states import PublicationState


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a publication is attempted in all, and the pauses between the attempts."""

    attempts: int = 12
    """With these pauses, three hours: longer than most outages of a hub."""
    pause: timedelta = timedelta(seconds=10)
    """Before the second attempt; doubled with each further one."""
    longest: timedelta = timedelta(hours=1)

    def pause_after(self, attempts: int) -> timedelta:
        """Return how long to wait after so many attempts.

        >>> [Retries().pause_after(attempts).seconds for attempts in (1, 2, 3, 12)]
        [10, 20, 40, 3600]
        """
        doubled: int = 2 ** min(attempts - 1, 30)
        return min(self.longest, self.pause * doubled)


_RETRIES = Retries()


def request(
    session: Session,
    version: Version,
    target: Target,
    *,
    private: bool = True,
    override: LicenceOverride | None = None,
    collection: str | None = None,
    job_id: UUID | None = None,
) -> Publication:
    """Ask for a version to be published to a target, and return its one publication there.

    Asked for again, a publication that was refused or failed waits anew, with what is asked now;
    one that is published stays so, unless it is private and is now to be public. The word of a
    person is part of the card, and so of the one commit: it comes before that, or not at all.

    Args:
        session: in a transaction.
        version: what is published.
        target: where to.
        private: whether a repository is seen by its team alone.
        override: the word of a person who answers for it in spite of a licence.
        collection: the title of the collection of the hub that a repository is put into.
        job_id: the job that asks.

    Raises:
        Conflict: the version was deleted, it is being published and not as is asked now, or it
            was published without the override.
    """
    if version.deleted_at is not None:
        raise Conflict(
            f"{version.name}@{version.number} was deleted: publish a version that is still there"
        )
    at = now(session)
    said = override.model_dump(mode="json") if override else None
    is_new = insert_if_new(
        session,
        tables.Publication,
        id=uuid7(),
        version_id=version.id,
        target=str(target),
        private=private,
        override=said,
        collection=collection,
        job_id=job_id,
        state=PublicationState.WAITING,
        attempts=0,
        token=0,
        created_at=at,
        updated_at=at,
    )
    query = select(tables.Publication.id).filter_by(version_id=version.id, target=str(target))
    row = _lock(session, session.scalars(query).one())
    if is_new:
        return _record(row)
    return _request_again(session, row, private=private, override=said, collection=collection)


def _request_again(
    session: Session,
    row: tables.Publication,
    *,
    private: bool,
    override: dict[str, Any] | None,
    collection: str | None,
) -> Publication:
    """Ask once more for a publication that is locked, by what its state allows.

    Raises:
        Conflict: it is being carried out, and not as is asked now, or was published without the
            override.
    """
    if row.published_at is not None and override not in (None, row.override):
        raise Conflict(
            f"{row.target} was published without the note of {override['by']}: a note is part of "
            "the card, and nothing that is published is changed; publish the version to another "
            "target with the note, or ask again without it"
        )
    if row.state is PublicationState.PUBLISHING:
        if (row.private, row.override) != (private, override or row.override):
            raise Conflict(
                f"publication {row.id} is being carried out as it was asked for before: ask again "
                "once it has ended"
            )
        return _record(row)
    becomes_public = row.private and not private
    if row.state is PublicationState.PUBLISHED and not becomes_public:
        return _record(row)
    row.private, row.collection = private, collection or row.collection
    row.override = override or row.override
    row.attempts, row.not_before = 0, None
    return _set_state(session, row, PublicationState.WAITING)


def take(
    session: Session, holder: str, lease: timedelta, *, publication_id: UUID | None = None
) -> Publication | None:
    """Take the next publication (or that one) under a new token; None: none is due."""
    at, row = now(session), tables.Publication
    is_due = row.not_before.is_(None) | (row.not_before <= at)
    query = select(row.id).where(row.state == PublicationState.WAITING, is_due)
    if publication_id is not None:
        query = query.where(row.id == publication_id)
    query = query.order_by(row.created_at, row.id).limit(1)
    next_id = session.scalar(query.with_for_update(key_share=True, skip_locked=True))
    if next_id is None:
        return None
    taken = _lock(session, next_id)
    taken.holder, taken.lease_until = holder, at + lease
    taken.token += 1
    taken.attempts += 1
    return _set_state(session, taken, PublicationState.PUBLISHING, message=taken.message)


def renew(session: Session, publication_id: UUID, token: int, lease: timedelta) -> None:
    """Hold the publication for another `lease` from now.

    Raises:
        LostLease: the publication is not held under `token` any more.
    """
    row = tables.Publication
    held = (row.id == publication_id, row.token == token, row.state == PublicationState.PUBLISHING)
    statement = update(row).where(*held).values(lease_until=now(session) + lease)
    if session.execute(statement.returning(row.id)).first() is None:
        raise _lost(publication_id, token)


def finish(
    session: Session, publication_id: UUID, token: int, *, commit: str | None, url: str
) -> Publication:
    """End a publication as published.

    Args:
        session: in a transaction.
        publication_id: which.
        token: that it is held under.
        commit: of the hub; None: of a folder.
        url: where it can be found; a path is kept as a file URL with the host that it is on.

    Raises:
        LostLease: the publication is not held under `token` any more.
    """
    row = _lock(session, publication_id, token=token)
    if url.startswith("/"):
        host, _, _ = (row.holder or "").partition(":")
        url = f"file://{host}{quote(url)}"
    row.commit, row.url, row.published_at = commit, url, now(session)
    return _set_state(session, row, PublicationState.PUBLISHED)


def refuse(session: Session, publication_id: UUID, token: int, message: str) -> Publication:
    """End a publication as refused: it goes on once it is asked for again.

    Raises:
        LostLease: the publication is not held under `token` any more.
    """
    row = _lock(session, publication_id, token=token)
    return _set_state(session, row, PublicationState.REFUSED, message=message)


def postpone(
    session: Session,
    publication_id: UUID,
    token: int,
    message: str,
    *,
    retries: Retries = _RETRIES,
) -> Publication:
    """End an attempt that came to no answer: another one follows after a pause, or it has failed.

    Raises:
        LostLease: the publication is not held under `token` any more.
    """
    row = _lock(session, publication_id, token=token)
    return _end_attempt(session, row, message, retries)


def release(session: Session, publication_id: UUID, token: int) -> Publication:
    """Give a publication back by a clean shutdown, the attempt not counted.

    Raises:
        LostLease: the publication is not held under `token` any more.
    """
    row = _lock(session, publication_id, token=token)
    row.attempts -= 1
    return _set_state(session, row, PublicationState.WAITING, message=row.message)


def reap(session: Session, *, retries: Retries = _RETRIES) -> tuple[Publication, ...]:
    """End the attempts whose lease ran out, and return their publications."""
    at, row = now(session), tables.Publication
    query = select(row).where(row.state == PublicationState.PUBLISHING, row.lease_until <= at)
    query = query.order_by(row.id).with_for_update(key_share=True, skip_locked=True)
    silent = session.scalars(query.execution_options(populate_existing=True)).all()
    return tuple(
        _end_attempt(
            session,
            each,
            f"{each.holder} has given no sign of life since before {each.lease_until:%H:%M:%S} UTC",
            retries,
            pause=timedelta(0),
        )
        for each in silent
    )


def find(session: Session, publication_id: UUID) -> Publication:
    """Return a publication as it stands.

    Raises:
        UnknownName: there is none of that id.
    """
    row = session.get(tables.Publication, publication_id)
    if row is None:
        raise _unknown(publication_id)
    return _record(row)


def unfinished(session: Session) -> frozenset[UUID]:
    """Return the ids of the publications that wait for an attempt, or have one under way."""
    row = tables.Publication
    going_on = (PublicationState.WAITING, PublicationState.PUBLISHING)
    return frozenset(session.scalars(select(row.id).where(row.state.in_(going_on))))


def page(
    session: Session,
    *,
    project: str | None = None,
    name: str | None = None,
    version_id: UUID | None = None,
    job_id: UUID | None = None,
    state: PublicationState | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Publication]:
    """Return the publications that are as asked for, newest first; `name` is a model's.

    Raises:
        BadSpec: the cursor is not one that a page gave.
    """
    row, query = tables.Publication, _select_with_models()
    asked = (
        (tables.Model.project, project),
        (tables.Model.name, name),
        (row.version_id, version_id),
        (row.job_id, job_id),
        (row.state, state),
    )
    query = query.where(*(column == value for column, value in asked if value is not None))
    order = newest_first(row.id)
    return page_of(session, query, order, cursor, limit, lambda rows: [_record(r) for r in rows])


def version_names(
    session: Session, version_ids: Collection[UUID]
) -> dict[UUID, tuple[str, str, int]]:
    """Return project, model and number of versions, by their ids."""
    query = select(
        tables.Version.id, tables.Model.project, tables.Model.name, tables.Version.number
    ).join(tables.Model, tables.Model.id == tables.Version.model_id)
    rows = session.execute(query.where(tables.Version.id.in_(version_ids)))
    return {version_id: (project, name, number) for version_id, project, name, number in rows}


def _select_with_models() -> Select[tables.Publication]:
    version = tables.Version
    query = select(tables.Publication).join(version, version.id == tables.Publication.version_id)
    return query.join(tables.Model, tables.Model.id == version.model_id)


def _lock(
    session: Session, publication_id: UUID, *, token: int | None = None
) -> tables.Publication:
    """Return the row, which no other transaction changes until this one ends.

    Raises:
        UnknownName: there is none of that id.
        LostLease: `token` is given, and the publication is not held under it.
    """
    query = select(tables.Publication).where(tables.Publication.id == publication_id)
    query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    row = session.scalar(query)
    if row is None:
        raise _unknown(publication_id)
    if token is not None and (row.token, row.state) != (token, PublicationState.PUBLISHING):
        raise _lost(publication_id, token)
    return row


def _end_attempt(
    session: Session,
    row: tables.Publication,
    message: str,
    retries: Retries,
    *,
    pause: timedelta | None = None,
) -> Publication:
    """End the attempt of a publication that is locked: it is tried again, or has failed."""
    if row.attempts >= retries.attempts:
        given_up = f"given up after {row.attempts} attempts; the last one: {message}"
        advice = "; ask for it again once that is seen to"
        return _set_state(session, row, PublicationState.FAILED, message=given_up + advice)
    wait = retries.pause_after(row.attempts) if pause is None else pause
    not_before = now(session) + wait
    return _set_state(
        session, row, PublicationState.WAITING, message=message, not_before=not_before
    )


def _set_state(
    session: Session,
    row: tables.Publication,
    state: PublicationState,
    *,
    message: str | None = None,
    not_before: datetime | None = None,
) -> Publication:
    """Put a publication that is locked into its next state; out of PUBLISHING nobody holds it."""
    row.state, row.message, row.not_before = state, bounded_message(message), not_before
    row.updated_at = now(session)
    if state is not PublicationState.PUBLISHING:
        row.holder = row.lease_until = None
    session.flush()
    return _record(row)


def _record(row: tables.Publication) -> Publication:
    return Publication(**{field.name: getattr(row, field.name) for field in fields(Publication)})


def _unknown(publication_id: UUID) -> UnknownName:
    return UnknownName(
        f"there is no publication {publication_id}: `alambique models publications` shows those "
        "there are"
    )


def _lost(publication_id: UUID, token: int) -> LostLease:
    return LostLease(
        f"attempt {token} does not hold publication {publication_id} any more: stop without writing"
    )
