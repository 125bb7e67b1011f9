"""What each test example adds to the score of a job's students: gains across jobs are drawn of it.

The registry keeps it as `tasks.bootstrap` packs it.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.moves import lock_job
from alambique.registry.records import ScoredStudent


def record(
    session: Session, job_id: UUID, token: int, scores: Mapping[tuple[str, int], bytes]
) -> None:
    """Store the example scores of a job's students, in the place of those it had.

    Args:
        session: a transaction.
        job_id: the job.
        token: under which it is held.
        scores: by role and seed.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    lock_job(session, job_id, token=token)
    session.execute(delete(tables.ExampleScores).where(tables.ExampleScores.job_id == job_id))
    session.add_all(
        tables.ExampleScores(job_id=job_id, role=role, seed=seed, fractions=one)
        for (role, seed), one in scores.items()
    )


def of_students(session: Session, students: Iterable[ScoredStudent]) -> dict[ScoredStudent, bytes]:
    """Return the example scores of these students, as far as they are known."""
    asked = set(students)
    table = tables.ExampleScores
    rows = session.scalars(select(table).where(table.job_id.in_({one.job_id for one in asked})))
    keyed = ((ScoredStudent(row.job_id, row.role, row.seed), row) for row in rows)
    return {student: row.fractions for student, row in keyed if student in asked}
