"""What each example adds to a student's score: kept by the job that holds it, and given back."""

from collections.abc import Callable
from uuid import UUID

import pytest

from alambique.registry import example_scores
from alambique.registry.database import Database
from alambique.registry.records import JobRow, ScoredStudent
from alambique.spec.errors import LostLease

SCORES = {("student", 1): b"\x00one", ("student", 2**31): b"two", ("gold-only-3", 1): b""}


@pytest.fixture
def held(posted: Callable[..., JobRow], taken: Callable[..., JobRow]) -> JobRow:
    """A job that somebody carries."""
    return taken(job_id=posted().id)


def test_what_is_kept_is_found_by_job_role_and_seed(database: Database, held: JobRow) -> None:
    with database.write() as session:
        example_scores.record(session, held.id, held.token, {("student", 9): b"before"})
        example_scores.record(session, held.id, held.token, SCORES)
    students = {ScoredStudent(held.id, role, seed): found for (role, seed), found in SCORES.items()}
    others = [ScoredStudent(held.id, "student", 9), ScoredStudent(UUID(int=0), "student", 1)]
    with database.read() as session:
        assert example_scores.of_students(session, [*students, *others]) == students
        assert example_scores.of_students(session, []) == {}


def test_who_has_lost_the_job_writes_nothing(database: Database, held: JobRow) -> None:
    with pytest.raises(LostLease), database.write() as session:
        example_scores.record(session, held.id, held.token + 1, SCORES)
