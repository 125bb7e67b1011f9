"""The teachers of a job: one, or several whose outputs are combined."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Tag

from alambique.spec.errors import AlambiqueError
from alambique.spec.fields import fault_at, is_list, tag_where
from alambique.spec.teacher import MOST_RUNS, NOT_EMPTY, Candidate, Teacher

_MOST = 32
"""Teachers of one job: each answers all examples, and each may have a thousand runs to look at."""


@dataclass(frozen=True, slots=True)
class TeacherEntry:
    """A teacher of a job, and what it is called there."""

    spec: Teacher
    number: int = 0
    """Which one of the job's, from 0."""
    alone: bool = True

    @property
    def field(self) -> str:
        """Where the job says it."""
        return "teacher" if self.alone else f"teacher.{self.number}"

    @property
    def role(self) -> str:
        """What its network is called: teacher, and after the first one teacher-2 and so on."""
        return f"teacher-{self.number + 1}" if self.number else "teacher"

    @property
    def named_candidates(self) -> tuple[tuple[str, Candidate], ...]:
        """Its one model or each candidate, in their order, with the field that names its model."""
        return tuple(
            (f"{self.field}.{field}", candidate) for field, candidate in self.spec.named_candidates
        )

    def candidate_role(self, run: int) -> str:
        """Return what the network of a run that does not teach is called; runs count from 1."""
        return f"{self.role}-candidate-{run}" if self.number else f"candidate-{run}"

    @contextmanager
    def prefix_errors(self, field: str) -> Iterator[None]:
        """Put the field in front of what is found of its model, where there are several."""
        try:
            yield
        except AlambiqueError as error:
            one_model = self.alone and self.spec.candidates is None
            if one_model or str(error).startswith(f"{field}: "):
                raise
            prefixed = type(error)(f"{field}: {error}")
            prefixed.fields, prefixed.more_fields = error.fields, error.more_fields
            # not from the error itself: what a job is told is the innermost message
            raise prefixed from error.__cause__


def _check_count(value: object) -> object:
    # before any of them is looked at
    if isinstance(value, list | tuple) and len(value) > _MOST:
        raise ValueError(
            f"a job has at most {_MOST} teachers, and these are {len(value):,}: leave some out"
        )
    return value


def _check_distinct(teachers: tuple[Teacher, ...]) -> tuple[Teacher, ...]:
    # two that differ by their weight, or by what they have to pass, would answer alike
    seen: dict[Teacher, int] = {}
    for number, teacher in enumerate(teachers):
        first = seen.setdefault(teacher.model_copy(update={"weight": 1.0, "gate": "on"}), number)
        if first < number:
            raise fault_at(
                (number,),
                f"it is the same as teacher.{first}: drop one, or give the other a higher weight",
                teachers[number].model_dump(mode="json", exclude_unset=True),
            )
    return teachers


def _check_run_count(teachers: tuple[Teacher, ...]) -> tuple[Teacher, ...]:
    count = sum(len(teacher.runs) for teacher in teachers)
    if count > MOST_RUNS:
        raise ValueError(
            f"the teachers make {count} runs, a job has at most {MOST_RUNS}: give fewer values in "
            "their grids, or fewer candidates"
        )
    return teachers


def _unwrap_single(teachers: tuple[Teacher, ...]) -> Teacher | tuple[Teacher, ...]:
    """Return the one teacher of a list of one, which says the same as the one alone."""
    return teachers if len(teachers) > 1 else teachers[0]


Teachers = Annotated[
    Annotated[Teacher, Tag("one")]
    | Annotated[
        tuple[Teacher, ...],
        BeforeValidator(_check_count),
        NOT_EMPTY,
        AfterValidator(_check_distinct),
        AfterValidator(_check_run_count),
        AfterValidator(_unwrap_single),
        Tag("several"),
    ],
    tag_where(is_list, "several", otherwise="one"),
]
"""One teacher, or a list of them. They may be of different vocabularies: outputs are of words."""


def teacher_entries(teachers: Teacher | tuple[Teacher, ...]) -> tuple[TeacherEntry, ...]:
    """Return an entry for each teacher, in the order of the job."""
    if isinstance(teachers, Teacher):
        return (TeacherEntry(teachers),)
    return tuple(
        TeacherEntry(teacher, number, alone=False) for number, teacher in enumerate(teachers)
    )
