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


def claimed(session: Session, project: str, key: str, spec: dict[str, Any]) -> UUID | None:
    """Return the job that the key stands for already, or None where it is a new one.

    Raises:
        Conflict: the key has made a job of another spec.
    """
    known = session.get(tables.IdempotencyKey, (project, hashed(key)))
    return None if known is None else _of_same_spec(known, key, spec)


def claim(
    session: Session, project: str, key: str, spec: dict[str, Any], job_id: UUID, at: datetime
) -> UUID:
    """The job that the key stands for: `job_id`, unless the key was there before.

    Raises:
        Conflict: the key has made a job of another spec.
    """
    kept = hashed(key)
    values = {"project": project, "key": kept, "spec_hash": _hash(spec), "job_id": job_id}
    if insert_if_new(session, tables.IdempotencyKey, **values, created_at=at):
        return job_id
    return _of_same_spec(session.get_one(tables.IdempotencyKey, (project, kept)), key, spec)


def _of_same_spec(known: tables.IdempotencyKey, key: str, spec: dict[str, Any]) -> UUID:
    if known.spec_hash != _hash(spec):
        raise Conflict(
            f"idempotency key {key!r} was used for another spec, which became job {known.job_id}: "
            "send that spec again, or take a new key"
        )
    return known.job_id


def _hash(spec: dict[str, Any]) -> str:
    return hashed(json.dumps(spec, sort_keys=True))


def hashed(text: str) -> str:
    """What a key, or the spec it came with, is kept as: it may have any length, any characters."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
