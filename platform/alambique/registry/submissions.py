"""The keys by which clients name what they post, so that it can be sent again safely."""

import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.statements import insert_if_new
from alambique.spec.errors import Conflict


def claim(
    session: Session, project: str, key: str, spec: dict[str, Any], job_id: UUID, at: datetime
) -> UUID:
    """The job that the key stands for: `job_id`, unless the key was there before.

    Raises:
        Conflict: the key has made a job of another spec.
    """
    kept, wanted = hashed(key), hashed(json.dumps(spec, sort_keys=True))
    values = {"project": project, "key": kept, "spec_hash": wanted, "job_id": job_id}
    if insert_if_new(session, tables.IdempotencyKey, **values, created_at=at):
        return job_id
    known = session.get_one(tables.IdempotencyKey, (project, kept))
    if known.spec_hash != wanted:
        raise Conflict(
            f"idempotency key {key!r} was used for another spec, which became job {known.job_id}: "
            "send that spec again, or take a new key"
        )
    return known.job_id


def hashed(text: str) -> str:
    """What a key, or the spec it came with, is kept as: it may have any length, any characters."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
