"""The tables. They change together with a migration; a test compares the two."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from alambique.registry.dialects import AnyText, UtcTime
from alambique.registry.records import Asked
from alambique.spec.states import PublicationState, Reason, StageName, State, TrialState


def _words(kind: type[StrEnum]) -> Enum:
    """Return a column of an enumeration's values, as text: a new word needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


_JSON = dict[str, Any]
_BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up INTEGER keys only


class Table(DeclarativeBase):
    """What all tables share: names for constraints, and types for columns."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy's own form)
        datetime: UtcTime(),
        str: AnyText(),
        State: _words(State),
        Reason: _words(Reason),
        StageName: _words(StageName),
        TrialState: _words(TrialState),
        PublicationState: _words(PublicationState),
        _JSON: JSON(none_as_null=True),
        list[str]: JSON(),
        list[_JSON]: JSON(),
    }


class Project(Table):
    """Whose jobs and models they are."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class Suite(Table):
    """One file that became several jobs; `records.SuiteRow` says what the columns mean."""

    __tablename__ = "suites"
    __table_args__ = (Index(None, "project", "key", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"))
    name: Mapped[str | None]
    spec: Mapped[_JSON]
    created_at: Mapped[datetime]
    key: Mapped[str | None]


class Job(Table):
    """A job, in its present state; `records.JobRow` says what the columns mean."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "state", "priority", "created_at"),
        Index(None, "project", "id"),
        Index(None, "suite_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"))
    suite_id: Mapped[UUID | None] = mapped_column(ForeignKey("suites.id"))
    cell: Mapped[_JSON | None]
    name: Mapped[str | None]
    task: Mapped[str]
    spec: Mapped[_JSON]
    state: Mapped[State]
    reason: Mapped[Reason | None]
    message: Mapped[str | None]
    stage: Mapped[StageName | None]
    progress: Mapped[float | None]
    eta_seconds: Mapped[float | None]
    loss: Mapped[float | None]
    metric: Mapped[float | None]
    priority: Mapped[int]
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    tag: Mapped[int] = mapped_column(default=0)
    token: Mapped[int] = mapped_column(default=0)
    holder: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    asked: Mapped[Asked | None] = mapped_column(String(8))
    result: Mapped[_JSON | None]


class Attempt(Table):
    """One holder's time with a job, under one token."""

    __tablename__ = "attempts"

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    token: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holder: Mapped[str | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[State | None]
    reason: Mapped[Reason | None]
    message: Mapped[str | None]


class Event(Table):
    """Something that happened to a job."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "job_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[str]
    content: Mapped[_JSON]


class IdempotencyKey(Table):
    """The job that a client's key made, and from which spec."""

    __tablename__ = "idempotency_keys"

    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    spec_hash: Mapped[str]
    # deferred: the key is claimed first, and only who got it makes the job
    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")
    )
    created_at: Mapped[datetime]


class StageDone(Table):
    """What a stage of that key gave."""

    __tablename__ = "stages"

    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[StageName]
    output: Mapped[_JSON]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]


class Trial(Table):
    """A trial of a job's search; `records.Trial` says what the columns mean."""

    __tablename__ = "trials"

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    values: Mapped[_JSON]
    state: Mapped[TrialState]
    epochs: Mapped[int]
    metrics: Mapped[_JSON]
    curve: Mapped[list[_JSON]]
    reason: Mapped[Reason | None]
    error: Mapped[str | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ExampleScores(Table):
    """What each test example adds to the score of a student; `example_scores` reads and writes."""

    __tablename__ = "example_scores"

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(primary_key=True)
    seed: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    fractions: Mapped[bytes]


class Lease(Table):
    """A named thing and who has it; the row stays when it is free, and keeps the count."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[int]
    holder: Mapped[str]
    until: Mapped[datetime]


class Model(Table):
    """A name, and the newest number given under it."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("project", "name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"))
    name: Mapped[str]
    task: Mapped[str]
    created_at: Mapped[datetime]
    newest: Mapped[int]


class Version(Table):
    """A version; `records.Version` says what the columns mean."""

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("model_id", "number"), UniqueConstraint("job_id", "role"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"))
    number: Mapped[int]
    role: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]
    labels: Mapped[list[str]]
    parameters: Mapped[int] = mapped_column(BigInteger)
    macs_linear: Mapped[int] = mapped_column(BigInteger)
    macs_full: Mapped[int] = mapped_column(BigInteger)
    weights: Mapped[str] = mapped_column(index=True)
    artifact: Mapped[str]
    details: Mapped[_JSON]
    deleted_at: Mapped[datetime | None]
    collected_at: Mapped[datetime | None]


class File(Table):
    """A file of a version."""

    __tablename__ = "files"

    version_id: Mapped[UUID] = mapped_column(
        ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)


class Metric(Table):
    """A number measured for a version."""

    __tablename__ = "metrics"

    version_id: Mapped[UUID] = mapped_column(
        ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True
    )
    data: Mapped[str] = mapped_column(primary_key=True)
    split: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]
    settings: Mapped[_JSON]


class Edge(Table):
    """What a version comes from."""

    __tablename__ = "lineage"

    id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    version_id: Mapped[UUID] = mapped_column(
        ForeignKey("versions.id", ondelete="CASCADE"), index=True
    )
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("versions.id"), index=True)
    relation: Mapped[str]
    hashes: Mapped[_JSON]


class Alias(Table):
    """A name that points to one version of a model, and can be moved to another."""

    __tablename__ = "aliases"

    model_id: Mapped[UUID] = mapped_column(
        ForeignKey("models.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("versions.id"), index=True)
    moved_at: Mapped[datetime]


class AliasMove(Table):
    """A time at which an alias was set, moved or removed; `number` None: removed."""

    __tablename__ = "alias_moves"

    id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    number: Mapped[int | None]
    at: Mapped[datetime]


class Tag(Table):
    """A word by which versions are found."""

    __tablename__ = "tags"

    version_id: Mapped[UUID] = mapped_column(
        ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(primary_key=True, index=True)


class Note(Table):
    """What somebody wrote about a version."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    version_id: Mapped[UUID] = mapped_column(
        ForeignKey("versions.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime]
    text: Mapped[str]


class Publication(Table):
    """A version that is to be published to one place; `records.Publication` has the columns."""

    __tablename__ = "publications"
    __table_args__ = (UniqueConstraint("version_id", "target"), Index(None, "state", "created_at"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"))
    target: Mapped[str]
    private: Mapped[bool]
    override: Mapped[_JSON | None]
    collection: Mapped[str | None]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    state: Mapped[PublicationState]
    attempts: Mapped[int] = mapped_column(default=0)
    token: Mapped[int] = mapped_column(default=0)
    holder: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    message: Mapped[str | None]
    commit: Mapped[str | None]
    url: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
