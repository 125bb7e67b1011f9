"""What the API answers of aliases and collections, and what it is sent to change versions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from alambique.api.comparison_table import Comparison, Role
from alambique.api.views import View


class AliasMoveView(View):
    """A time at which an alias was set, moved or removed."""

    number: int | None
    """Of the version that it pointed to from then on; null: it was removed."""
    at: datetime


class AliasView(View):
    """A name for a version of a model, which can be moved to another version."""

    name: str
    number: int | None
    """Of the version that it points to; null: it was removed."""
    tag: int
    """Counts up with each move: the ETag."""
    moves: list[AliasMoveView]
    """The oldest first."""


class _Sent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AliasBody(_Sent):
    """Where an alias is to point to."""

    version: int = Field(ge=1, le=10**9)
    """The number of a version."""


class NoteBody(_Sent):
    """What is to be written about a version."""

    text: str


class Member(BaseModel):
    """A model of a suite: a teacher, or a distilled student."""

    model_config = ConfigDict(frozen=True)

    version: str
    """As name@number: the model of the first seed."""
    role: Role
    data: str
    """The data set, by the suite's name for it."""
    teacher: str
    """The names that the suite gives."""
    student: str | None
    """null: of the teacher itself."""
    metric: str | None
    score: float
    """0 to 1, on the test split; the mean over seeds."""
    complete: bool
    """Whether every job of the model has succeeded."""


class Collection(View):
    """The teachers and students of a suite as one family, with their table."""

    suite: UUID
    project: str
    name: str
    members: list[Member]
    deleted: list[str]
    """Those of the members, as name@number, that were deleted since."""
    comparison: Comparison
