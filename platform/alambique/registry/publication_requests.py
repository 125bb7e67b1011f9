"""What a job, and a suite, ask to have published: the best student of each, by validation loss."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from alambique.registry import publications, suites, versions
from alambique.registry.job_result import JobResult, ResultRow
from alambique.registry.records import JobRow, Publication, Version
from alambique.spec.errors import Conflict, UnknownName
from alambique.spec.publication import Family, LicenceOverride, Publish
from alambique.spec.states import StudentRole
from alambique.spec.suite import Cell


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """A line of a job's table whose model belongs to the family of a suite."""

    row: ResultRow
    cell: Cell
    """Of the job in the matrix of the suite."""
    job_id: UUID


def request_of_job(
    session: Session, job: JobRow, publish: Publish, result: JobResult
) -> Publication | None:
    """Ask for the student of a job to be published, in the transaction that ends the job.

    Of a search that is the student with the lowest validation loss. None: the job has none, or
    somebody has deleted it meanwhile.
    """
    row = _best_student(result.rows)
    if row is None:
        return None
    name, _, number = row.version.rpartition("@")
    try:
        version = versions.find(session, job.project, name, number)
    except UnknownName:
        return None
    try:
        return publications.request(
            session,
            version,
            publish.target,
            private=publish.private,
            override=publish.override,
            job_id=job.id,
        )
    except Conflict:  # a person asks for it otherwise, or deletes it: the job ends all the same
        return None


def request_of_suite(
    session: Session,
    suite_id: UUID,
    family: Family,
    *,
    private: bool = True,
    override: LicenceOverride | None = None,
) -> tuple[Publication, ...]:
    """Ask for the models of a suite to be published as a family, and return their publications.

    Of each task, teacher and student that is the run with the lowest validation loss, over seeds
    and points of the grid; with these go the teachers that they learnt from, each once.
    Repositories of the hub are put into a collection of the suite's name.

    Raises:
        UnknownName: there is no such suite.
        Conflict: jobs of it are still to be done, or none of them has succeeded.
    """
    suite = suites.find(session, suite_id)
    if not suite.over:
        raise Conflict(
            f"suite {suite.name} is not over: its best models are known once all its jobs have "
            "ended; wait for them, or cancel them"
        )
    found = family_rows(suites.results(session, suite_id))
    if not found:
        raise Conflict(f"no job of suite {suite.name} has succeeded: there is nothing to publish")
    return tuple(
        publications.request(
            session,
            version,
            family.member(version.name),
            private=private,
            override=override,
            collection=suite.name,
            job_id=member.job_id,
        )
        for member, version in family_versions(session, suite.project, found)
        if version is not None
    )


def family_rows(
    results: Iterable[tuple[UUID, dict[str, Any], dict[str, Any]]],
) -> tuple[FamilyRow, ...]:
    """Return the best student of each task, teacher and student of a suite, then their teachers.

    The best is the run with the lowest validation loss, over seeds and points of the grid.
    """
    best: dict[tuple[str, str, str], tuple[FamilyRow, JobResult]] = {}
    for job_id, content, stored in results:
        cell, result = Cell.model_validate(content), JobResult.read(stored)
        row = _best_student(result.rows) if result and cell.tuned is None else None
        if result is None or row is None:
            continue
        key = cell.task, cell.teacher, cell.student
        known = best.get(key)
        if known is None or _loss(row) < _loss(known[0].row):
            best[key] = FamilyRow(row, cell, job_id), result
    students = [student for student, _ in best.values()]
    teachers = [
        FamilyRow(row, student.cell, student.job_id)
        for student, result in best.values()
        for row in result.rows
        if row.name not in frozenset(StudentRole)
    ]
    return (*students, *teachers)


def family_versions(
    session: Session, project: str, rows: Sequence[FamilyRow]
) -> tuple[tuple[FamilyRow, Version | None], ...]:
    """Return the members of a family with their versions, each once; None: it was deleted."""
    members: dict[str, tuple[FamilyRow, Version | None]] = {}
    for member in rows:
        name, _, number = member.row.version.rpartition("@")
        try:
            version = versions.find(session, project, name, number)
        except UnknownName:
            members.setdefault(member.row.version, (member, None))
        else:
            # jobs that share a teacher have each registered it: its weights are published once
            members.setdefault(version.weights, (member, version))
    return tuple(members.values())


def _best_student(rows: Iterable[ResultRow]) -> ResultRow | None:
    """Return the distilled student with the lowest validation loss; None: there is none."""
    students = [row for row in rows if row.name == StudentRole.DISTILLED]
    return min(students, key=_loss, default=None)


def _loss(row: ResultRow) -> float:
    return float("inf") if row.validation.loss is None else row.validation.loss
