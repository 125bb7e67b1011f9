"""A job: which teacher, which student, on what data, to what end."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from alambique.spec import general
from alambique.spec.fields import Duration, Layers, Name, Positive, Spec, Whole, Width
from alambique.spec.objective import Gold, Logits, Objective, Term, counts
from alambique.spec.search import Search
from alambique.spec.sources import Architecture, Folder, Model, source_of
from alambique.spec.teacher import Teacher
from alambique.spec.train import Resources, Train

Split = Literal["train", "dev", "test"]

_ROLES = ("teacher", "random")
"""What a student can start from that is no model of its own."""
_REGISTERED_AS = re.compile(r"(.+)-(teacher|gold-only|candidate-[0-9]+)")
"""What a job of the first name registers the network of the second as."""


class Data(Spec):
    """A data set: one of the catalogue, or (only with `alambique run`) a folder."""

    name: str
    limit: dict[Split, Positive] = Field(default_factory=dict)
    """How many examples of a split to use, the first ones; all where not given."""
    test: str | None = None
    """Another data set, whose test split takes the place of this one's."""


class Student(Spec):
    """The network to be trained, and what its weights start from."""

    start: Model = "teacher"
    """teacher, random, or any form of a model."""
    layers: Layers
    keep: Literal["uniform", "first", "last"] | tuple[Whole, ...] = "uniform"
    """Which layers of `start` the student begins with."""
    width: Width | None = None
    """As in `start` where not given, or for a random one in the teacher, like the next three. Of
    another start the student gets slices: the first so many rows and columns of each tensor."""
    heads: Width | None = None
    ffn: Width | None = None
    embedding: Width | None = None
    """Columns of the embeddings, in the architectures where they need not be as many as `width`."""

    @field_validator("start")
    @classmethod
    def _named(cls, start: Model) -> Model:
        if isinstance(start, Architecture):
            raise ValueError(
                "an architecture has no weights to start from: say start: random, with width, "
                "heads and ffn"
            )
        return start

    @model_validator(mode="after")
    def _as_many_as_layers(self) -> "Student":
        if isinstance(self.keep, tuple) and len(self.keep) != self.layers:
            raise ValueError(
                f"keep lists {len(self.keep)} layers, the student has {self.layers}: "
                "give one for each"
            )
        if self.start == "random" and self.keep != "uniform":
            raise ValueError("keep says which layers to start from, and start is random: drop one")
        return self


class Intermediate(Spec):
    """A first training of the student, mostly of its layers, from which the other one goes on.

    TinyBERT's intermediate-layer distillation (Jiao et al., 2020, §3.2), at a constant rate.
    """

    objective: Objective
    train: Train = Train(schedule="constant", warmup=0.0)


class Job(Spec):
    """All that a job says. Two equal jobs do the same."""

    name: Name | None = None
    project: Name = "default"
    task: Name
    data: Data
    teacher: Teacher
    student: Student
    objective: Objective = (Logits(),)
    train: Train = Train()
    intermediate: Intermediate | None = None
    """What the student learns before."""
    compare: Annotated[tuple[Literal["gold-only"], ...], Field(max_length=1)] = ()
    """What to train beside the distilled student, to see what distilling gained."""
    search: Search | None = None
    """Many students in the place of one, to find the best."""
    resources: Resources = Resources()
    priority: Annotated[Whole, Field(ge=0, le=100)] = 50
    """Higher goes first."""
    deadline: Duration | None = None
    """From when the job was posted."""
    fresh: bool = False
    """Whether to do each stage again, though a job of the project has done it."""

    @field_validator("name")
    @classmethod
    def _name_of_its_own(cls, name: str | None) -> str | None:
        if name and (found := _REGISTERED_AS.fullmatch(name)):
            raise ValueError(
                f"{name} is what the {found[2]} of a job {found[1]} is registered as: give the "
                "job another name"
            )
        return name

    @field_validator("data", mode="before")
    @classmethod
    def _data_by_name(cls, data: object) -> object:
        return {"name": data} if isinstance(data, str) else data

    @field_validator("objective")
    @classmethod
    def _anchored(cls, objective: tuple[Term, ...], info: ValidationInfo) -> tuple[Term, ...]:
        _check_anchored(info.data.get("task"), objective)
        return objective

    @field_validator("intermediate")
    @classmethod
    def _anchored_too(cls, first: Intermediate | None, info: ValidationInfo) -> Intermediate | None:
        _check_anchored(info.data.get("task"), first.objective if first else ())
        return first

    @field_validator("teacher", "objective", "intermediate", "compare")
    @classmethod
    def _fit_for_general(cls, value: Any, info: ValidationInfo) -> Any:
        match info.data.get("task"), info.field_name:
            case general.NAME, "teacher":
                general.check_teacher(value)
            case general.NAME, "objective":
                general.check_objective(value)
            case general.NAME, "intermediate" if value is not None:
                general.check_objective(value.objective)
            case general.NAME, "compare":
                general.check_compare(value)
        return value

    @model_validator(mode="after")
    def _told_what_to_compare(self) -> "Job":
        if self.task == general.NAME:  # where no objective is given, the default is of outputs
            general.check_objective(self.objective)
        return self

    @property
    def objectives(self) -> tuple[tuple[Term, ...], ...]:
        """What the student is taught, one after the other."""
        first = (self.intermediate.objective,) if self.intermediate else ()
        return (*first, self.objective)

    @property
    def needs_outputs(self) -> bool:
        """Whether the student ever learns from the teacher's outputs."""
        terms = chain.from_iterable(self.objectives)
        return any(isinstance(term, Logits) and counts(term) for term in terms)

    def models(self) -> Iterator[tuple[str, str | Architecture]]:
        """Each field that names a model, with the model."""
        for field, candidate in self.teacher.named:
            yield field, candidate.model
        if self.student.start not in _ROLES:
            yield "student.start", self.student.start

    def paths(self) -> Iterator[tuple[str, str]]:
        """Each field that names a path of this machine, with the path."""
        for field, model in self.models():
            if isinstance(source_of(model), Folder):
                yield field, str(model)
        for field, name in (("data.name", self.data.name), ("data.test", self.data.test)):
            if name is not None and "/" in name:
                yield field, name


def _check_anchored(task: object, terms: tuple[Term, ...]) -> None:
    """That where logits of spans are learnt by mse, something teaches the other positions."""
    mse = any(isinstance(term, Logits) and term.loss == "mse" and counts(term) for term in terms)
    gold = any(isinstance(term, Gold) and counts(term) for term in terms)
    if task == "question-answering" and mse and not gold:
        raise ValueError(
            "logits by mse compare only the ends of words: for question answering "
            "add {kind: gold, weight: …} above 0, which teaches the other positions"
        )
