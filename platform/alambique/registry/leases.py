"""Leases on named things (stages, versions, buckets of teacher outputs): one holder at a time.

A row stays when its thing is free, and its token only ever counts up, with each taking and each
freeing: who held it once never passes for who holds it now.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.dialects import insert, now
from alambique.registry.records import Lease


def take(
    session: Session, names: Sequence[str], holder: str, lease: timedelta
) -> tuple[Lease, ...]:
    """Take those of `names` that were free or whose lease had run out, for the holder."""
    at = now(session)
    leases = [_take(session, name, holder, at, at + lease) for name in sorted(set(names))]
    return tuple(filter(None, leases))


def renew(session: Session, held: Sequence[Lease], lease: timedelta) -> tuple[Lease, ...]:
    """Renew those of `held` that nobody has taken since, each for another `lease` from now."""
    until = now(session) + lease
    return tuple(each for each in _by_name(held) if _prolong(session, each, until))


def release(session: Session, held: Sequence[Lease]) -> None:
    """Release those of `held` that nobody has taken since."""
    at = now(session)
    for lease in _by_name(held):
        _free(session, lease, at)


def forget(session: Session, holder: str, names: Collection[str] | None = None) -> None:
    """Free all that `holder` has, of `names` where given: it is gone, or begins anew."""
    if names is not None and not names:
        return
    at = now(session)
    mine = [tables.Lease.holder == holder, tables.Lease.until > at]
    if names is not None:
        mine.append(tables.Lease.name.in_(names))
    rows = session.scalars(select(tables.Lease).where(*mine)).all()
    for lease in _by_name([Lease(row.name, row.token) for row in rows]):
        _free(session, lease, at)


def _by_name(held: Sequence[Lease]) -> list[Lease]:
    # the same for all, so that two who want the same names never wait for each other in a circle
    return sorted(held, key=lambda one: one.name)


def _take(session: Session, name: str, holder: str, at: datetime, until: datetime) -> Lease | None:
    fresh = insert(session, tables.Lease).values(name=name, token=1, holder=holder, until=until)
    statement = fresh.on_conflict_do_update(
        index_elements=[tables.Lease.name],
        set_={"token": tables.Lease.token + 1, "holder": holder, "until": until},
        where=tables.Lease.until <= at,
    )
    token = session.execute(statement.returning(tables.Lease.token)).scalar_one_or_none()
    return None if token is None else Lease(name, token)


def _prolong(session: Session, held: Lease, until: datetime) -> bool:
    """Return whether the lease was still the holder's."""
    statement = update(tables.Lease).where(*_matches(held)).values(until=until)
    return session.execute(statement.returning(tables.Lease.token)).first() is not None


def _free(session: Session, held: Lease, at: datetime) -> None:
    values = {"until": at, "token": held.token + 1}
    session.execute(update(tables.Lease).where(*_matches(held)).values(**values))


def _matches(held: Lease) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return tables.Lease.name == held.name, tables.Lease.token == held.token
