"""Collections: a suite's teachers and students as one family, with the suite's table."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy.orm import Session

from alambique.api.comparison import suite_comparison
from alambique.api.comparison_table import Comparison
from alambique.api.gains import Gains
from alambique.api.zoo_views import Collection, Member
from alambique.registry import suites, versions
from alambique.registry.database import Database

_MEMBERS = ("teacher", "distilled")
"""The roles of a suite's table whose models belong to its collection: baselines do not."""


def members_of(comparison: Comparison) -> tuple[Member, ...]:
    """Return the teachers and distilled students of a suite's table, each version once."""
    found: dict[str, Member] = {}
    for member in _each(comparison):
        found.setdefault(member.version, member)
    return tuple(found.values())


def _each(comparison: Comparison) -> Iterator[Member]:
    metrics = {column.name: column.metric for column in comparison.columns}
    for row in comparison.rows:
        for data, score in row.scores.items() if row.role in _MEMBERS else ():
            if score is not None:
                yield Member(
                    version=score.version,
                    role=row.role,
                    data=data,
                    teacher=row.teacher,
                    student=row.student,
                    metric=metrics[data],
                    score=score.mean,
                    complete=score.complete,
                )


def collection_of(database: Database, suite_id: UUID, gains: Gains) -> Collection:
    """Return the collection of a suite, as far as its jobs have succeeded.

    Raises:
        UnknownName: there is no such suite.
    """
    with database.read() as session:
        row, results = suites.find(session, suite_id), suites.results(session, suite_id)
    comparison = suite_comparison(row, results, gains)
    members = members_of(comparison)
    with database.read() as session:
        deleted = _deleted(session, row.project, [member.version for member in members])
    return Collection(
        suite=row.id,
        project=row.project,
        name=row.name,
        members=list(members),
        deleted=deleted,
        comparison=comparison,
    )


def _deleted(session: Session, project: str, names: list[str]) -> list[str]:
    """Return those of the versions, as name@number, that are deleted."""
    asked = {tuple_of(name) for name in names}
    there = versions.find_existing(session, project, asked)
    return [name for name in names if tuple_of(name) not in there]


def tuple_of(version: str) -> tuple[str, str]:
    """Return the name and the number of a version, as `find` takes them.

    >>> tuple_of("tiny-ner@3")
    ('tiny-ner', '3')
    """
    name, _, number = version.rpartition("@")
    return name, number
