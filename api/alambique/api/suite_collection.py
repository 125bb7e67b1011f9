"""Collections: a suite's teachers and students as one family, with the suite's table."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from alambique.api.comparison import suite_comparison
from alambique.api.comparison_table import Comparison
from alambique.api.gains import Gains
from alambique.api.zoo_views import Collection, Member, MemberRole
from alambique.registry import publication_requests, suites
from alambique.registry.database import Database
from alambique.registry.publication_requests import FamilyRow


def collection_of(database: Database, suite_id: UUID, gains: Gains) -> Collection:
    """Return the collection of a suite, as far as its jobs have succeeded.

    Its members are the models that `suites publish` publishes.

    Raises:
        UnknownName: there is no such suite.
    """
    with database.read() as session:
        row, results = suites.find(session, suite_id), suites.results(session, suite_id)
        found = publication_requests.family_versions(
            session, row.project, publication_requests.family_rows(results)
        )
    comparison = suite_comparison(row, results, gains)
    return Collection(
        suite=row.id,
        project=row.project,
        name=row.name,
        members=list(members_of([member for member, _ in found], comparison)),
        deleted=[member.row.version for member, version in found if version is None],
        comparison=comparison,
    )


def members_of(family: Sequence[FamilyRow], comparison: Comparison) -> Iterator[Member]:
    """Yield the members of a family, the teachers first, with their own scores and those of seeds.

    Args:
        family: the rows of its models.
        comparison: the table of the suite, whose columns name the metric that counts.
    """
    metrics = {column.name: column.metric for column in comparison.columns}
    lines = {(line.teacher, line.student, line.role): line for line in comparison.rows}
    for member in sorted(family, key=lambda member: member.row.name == "distilled"):
        row, cell = member.row, member.cell
        role: MemberRole = "distilled" if row.name == "distilled" else "teacher"
        student = cell.student if role == "distilled" else None
        metric = metrics.get(cell.task)
        # of several teachers of a job the table has the first one alone
        line = lines.get((cell.teacher, student, role)) if row.name == role else None
        yield Member(
            version=row.version,
            role=role,
            data=cell.task,
            teacher=cell.teacher,
            student=student,
            metric=metric,
            score=row.own_metrics.get(metric) if metric else None,
            over_seeds=line.scores.get(cell.task) if line else None,
        )
