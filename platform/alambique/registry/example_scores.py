"""What each test example adds to the score of a job's students: gains across jobs are drawn of it.

The registry keeps it as `tasks.bootstrap` packs it.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.moves import locked
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
    locked(session, job_id, token=token)
    session.execute(delete(tables.ExampleScores).where(tables.ExampleScores.job_id == job_id))
    session.add_all(
        tables.ExampleScores(job_id=job_id, role=role, seed=seed, fractions=one)
        for (role, seed), one in scores.items()
    )


def of_students(session: Session, students: Iterable[ScoredStudent]) -> dict[ScoredStudent, bytes]:
    """Return the example scores of these students, as far as they are known."""
    wanted = set(students)
    jobs = {one.job_id for one in wanted}
    row = tables.ExampleScores
    found = session.scalars(select(row).where(row.job_id.in_(jobs)))
    keyed = ((ScoredStudent(one.job_id, one.role, one.seed), one) for one in found)
    return {student: one.fractions for student, one in keyed if student in wanted}
