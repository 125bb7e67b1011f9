"""The keys by which clients name what they post, so that it can be sent again safely."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.dialects import insert_if_new
from alambique.spec.errors import Conflict


def find_claimed(session: Session, project: str, key: str, spec: dict[str, Any]) -> UUID | None:
    """Return the job that the key stands for already, or None where it is a new one.

    Raises:
        Conflict: the key has made a job of another spec.
    """
    known = session.get(tables.IdempotencyKey, (project, hash_text(key)))
    return None if known is None else _check_same_spec(known, key, spec)


def claim(
    session: Session, project: str, key: str, spec: dict[str, Any], job_id: UUID, at: datetime
) -> UUID:
    """Return the job that the key stands for: `job_id`, unless the key was there before.

    Raises:
        Conflict: the key has made a job of another spec.
    """
    key_hash, spec_hash = hash_text(key), hash_text(canonical_json(spec))
    values = {"project": project, "key": key_hash, "spec_hash": spec_hash, "job_id": job_id}
    if insert_if_new(session, tables.IdempotencyKey, **values, created_at=at):
        return job_id
    return _check_same_spec(session.get_one(tables.IdempotencyKey, (project, key_hash)), key, spec)


def _check_same_spec(known: tables.IdempotencyKey, key: str, spec: dict[str, Any]) -> UUID:
    if known.spec_hash != hash_text(canonical_json(spec)):
        raise key_conflict(key, f"job {known.job_id}")
    return known.job_id


def key_conflict(key: str, made: str) -> Conflict:
    """Return what to raise where a key comes with another spec than that of what it has made."""
    return Conflict(
        f"idempotency key {key!r} was used for another spec, which became {made}: send that spec "
        "again, or take a new key"
    )


def canonical_json(spec: Mapping[str, object]) -> str:
    """Return a spec as the text by which two of them are compared."""
    return json.dumps(spec, sort_keys=True)


def hash_text(text: str) -> str:
    """Return the hash as which a key or a spec is kept: it may have any length, any characters."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
