"""What the API answers of aliases and collections, and what it is sent to change versions."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from alambique.api.comparison_table import ColumnScore, Comparison
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


MemberRole = Literal["teacher", "distilled"]
"""The roles of a suite's table whose models belong to its family: baselines do not."""


class Member(BaseModel):
    """A model of a suite: a teacher, or a distilled student."""

    model_config = ConfigDict(frozen=True)

    version: str
    """As name@number: of the seeds and the points of a grid that with the lowest validation loss,
    which is published."""
    role: MemberRole
    data: str
    """The data set, by the suite's name for it."""
    teacher: str
    """The names that the suite gives."""
    student: str | None
    """null: of the teacher itself."""
    metric: str | None
    score: float | None
    """0 to 1, on the test split, of this version itself."""
    over_seeds: ColumnScore | None
    """The mean over seeds with its standard deviation, as the suite's table has it; null of a
    further teacher of a job, which is not in the table."""


class Collection(View):
    """The teachers and students of a suite as one family, with their table."""

    suite: UUID
    project: str
    name: str
    members: list[Member]
    deleted: list[str]
    """Those of the members, as name@number, that were deleted since."""
    comparison: Comparison
