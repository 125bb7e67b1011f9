"""Aliases: names for one version of a model that can be moved to another, and where they were."""

import re
from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from alambique.registry import tables, versions
from alambique.registry.dialects import insert_if_new, now
from alambique.registry.records import Alias, AliasMove, Version
from alambique.spec.errors import BadSpec, Conflict, Stale, UnknownName
from alambique.spec.excerpts import short

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,95}")
"""Begins with a letter, so that it is never taken for a number."""
_RESERVED = "latest"


def point(
    session: Session,
    project: str,
    name: str,
    alias: str,
    number: int,
    *,
    expected: Collection[int] | None = None,
) -> Alias:
    """Set an alias to a version of a model, or move it there, and return it.

    One that points there already stays as it is, without a move.

    Args:
        session: a transaction.
        project: of the model.
        name: of the model.
        alias: its name.
        number: of the version.
        expected: tags of the alias, one of which it has to have; None: whatever it is.

    Raises:
        BadSpec: no alias can have that name.
        UnknownName: the model or the version is not there.
        Stale: the alias is not as expected.
    """
    _check_name(alias)
    model = versions.find_model(session, project, name, lock=True)
    _check_expected(session, model, alias, expected)
    version = versions.find(session, project, name, number)
    at = now(session)
    values = {"model_id": model.id, "name": alias}
    if not insert_if_new(session, tables.Alias, **values, version_id=version.id, moved_at=at):
        row = session.get_one(tables.Alias, (model.id, alias), populate_existing=True)
        if row.version_id == version.id:
            return find(session, project, name, alias)
        row.version_id, row.moved_at = version.id, at
    session.add(tables.AliasMove(**values, number=number, at=at))
    session.flush()
    return find(session, project, name, alias)


def remove(
    session: Session,
    project: str,
    name: str,
    alias: str,
    *,
    expected: Collection[int] | None = None,
) -> Alias:
    """Remove an alias, and return what is left of it: its moves; takes the same as `point`.

    Raises:
        UnknownName: the model has no such alias now.
        Stale: the alias is not as expected.
    """
    model = versions.find_model(session, project, name, lock=True)
    find(session, project, name, alias)
    _check_expected(session, model, alias, expected)
    session.execute(delete(tables.Alias).filter_by(model_id=model.id, name=alias))
    moved = tables.AliasMove(model_id=model.id, name=alias, number=None, at=now(session))
    session.add(moved)
    session.flush()
    return next(each for each in of_model(session, project, name) if each.name == alias)


def find(session: Session, project: str, name: str, alias: str) -> Alias:
    """Return an alias that points to a version.

    Raises:
        UnknownName: the model has no such alias now.
    """
    every = of_model(session, project, name)
    found = next((each for each in every if each.name == alias and each.number), None)
    if found is None:
        known = ", ".join(each.name for each in every if each.number) or "none"
        raise UnknownName(
            f"model {name!r} has no alias {short(alias)}; it has {known}: "
            f"`alambique models alias {name}@NUMBER ALIAS` sets one"
        )
    return found


def of_model(session: Session, project: str, name: str) -> tuple[Alias, ...]:
    """Return all aliases that a model has and had, in the order of the alphabet.

    Raises:
        UnknownName: there is no such model.
    """
    model = versions.find_model(session, project, name)
    moves = _moves(session, model.id)
    return tuple(
        Alias(alias, each[-1].number, each[-1].id, tuple(AliasMove(m.number, m.at) for m in each))
        for alias, each in sorted(moves.items())
    )


def _check_name(alias: str) -> None:
    if not _NAME.fullmatch(alias):
        raise BadSpec(
            f"{short(alias)} can be no alias: give a letter, then letters, digits and . _ -, "
            "at most 96 of them"
        )
    if alias.casefold() == _RESERVED:
        raise BadSpec(f"{alias} is no alias: it always means the newest version; give another name")


def _check_expected(
    session: Session, model: tables.Model, alias: str, expected: Collection[int] | None
) -> None:
    """Raise `Stale` if the last move of an alias is none of those that the caller knows."""
    if expected is None:
        return
    moves = _moves(session, model.id)[alias]
    if not moves or moves[-1].id not in expected:
        now_at = f"{model.name}@{moves[-1].number}" if moves and moves[-1].number else "no version"
        raise Stale(
            f"alias {alias} was moved since it was read, and points to {now_at} now: read it "
            "again, then decide"
        )


def _moves(session: Session, model_id: UUID) -> dict[str, list[tables.AliasMove]]:
    """Return the moves of each alias of a model, the oldest first."""
    grouped: dict[str, list[tables.AliasMove]] = defaultdict(list)
    query = select(tables.AliasMove).filter_by(model_id=model_id).order_by(tables.AliasMove.id)
    for move in session.scalars(query):
        grouped[move.name].append(move)
    return grouped


def check_no_alias(version: Version) -> None:
    """Raise `Conflict` if an alias points to the version."""
    if version.aliases:
        raise Conflict(
            f"{version.name}@{version.number} is {', '.join(version.aliases)}: move that alias to "
            "another version first, or remove it "
            f"(`alambique models alias {version.name} {version.aliases[0]} --remove`)"
        )
