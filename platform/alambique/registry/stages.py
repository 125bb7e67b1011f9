"""Stages that are done, by key: another job of the project need not do them again."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.dialects import insert, now
from alambique.registry.moves import lock_job
from alambique.registry.records import StageDone
from alambique.spec.states import StageName


def find(session: Session, project: str, key: str) -> StageDone | None:
    """Return the stage of that key, where a job of the project has done it."""
    row = session.get(tables.StageDone, (project, key))
    return None if row is None else StageDone(row.key, row.stage, row.output, row.job_id)


def record(
    session: Session,
    job_id: UUID,
    token: int,
    project: str,
    key: str,
    stage: StageName,
    output: dict[str, Any],
) -> StageDone:
    """Store what a stage gave, in the place of what it gave before.

    Raises:
        LostLease: the job is not held under `token` any more.
    """
    lock_job(session, job_id, token=token)
    values = {"output": output, "job_id": job_id, "created_at": now(session)}
    new = insert(session, tables.StageDone).values(project=project, key=key, stage=stage, **values)
    session.execute(new.on_conflict_do_update(index_elements=["project", "key"], set_=values))
    return StageDone(key, stage, output, job_id)
