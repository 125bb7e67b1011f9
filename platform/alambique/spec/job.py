"""A job: which teacher, which student, on what data, to what end."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from alambique.spec.errors import BadSpec
from alambique.spec.fields import (
    Duration,
    Layers,
    Length,
    Name,
    Overlap,
    Positive,
    Spec,
    Whole,
    Width,
)
from alambique.spec.objective import Gold, Logits, Term
from alambique.spec.sources import Architecture, Folder, source_of
from alambique.spec.train import Resources, Train

Split = Literal["train", "dev", "test"]
Model = Annotated[str | Architecture, Field(union_mode="left_to_right")]


class Data(Spec):
    """A data set: one of the catalogue, or (only with `alambique run`) a folder."""

    name: str
    limit: dict[Split, Positive] = Field(default_factory=dict)
    """How many examples of a split to use, the first ones; all where not given."""
    test: str | None = None
    """Another data set, whose test split takes the place of this one's."""


class Teacher(Spec):
    """The model whose outputs a student learns from."""

    model: Model
    train: Train | None = None
    """How to fine-tune it. Absent: it already is, which is checked before anything is spent."""
    max_length: Length = 384
    """Tokens of its windows when it teaches; students have their own."""
    stride: Overlap = 128

    @property
    def positions(self) -> int:
        """Of a network from scratch: for its own windows, and for those of most students."""
        return max(512, self.max_length, self.train.max_length if self.train else 0)

    @field_validator("model")
    @classmethod
    def _named(cls, model: Model) -> Model:
        return _checked(model)

    @model_validator(mode="after")
    def _able_to_teach(self) -> "Teacher":
        if isinstance(self.model, Architecture) and self.train is None:
            raise ValueError(
                "model is an architecture, whose weights have learnt nothing: say how to train it "
                "(teacher.train, which {} leaves at its defaults)"
            )
        if self.stride >= self.max_length:
            raise ValueError(
                f"stride {self.stride} is not below max_length {self.max_length}: "
                "windows would never move on; lower teacher.stride"
            )
        return self


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
        return start if start in ("teacher", "random") else _checked(start)

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


class Job(Spec):
    """All that a job says. Two equal jobs do the same."""

    name: Name | None = None
    project: Name = "default"
    task: Name
    data: Data
    teacher: Teacher
    student: Student
    objective: tuple[Term, ...] = (Logits(),)
    train: Train = Train()
    compare: Annotated[tuple[Literal["gold-only"], ...], Field(max_length=1)] = ()
    """What to train beside the distilled student, to see what distilling gained."""
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
        for role in ("teacher", "gold-only"):
            if name and name.endswith(f"-{role}"):
                raise ValueError(
                    f"{name} is what the {role} of a job {name.removesuffix(f'-{role}')} is "
                    "registered as: give the job another name"
                )
        return name

    @field_validator("data", mode="before")
    @classmethod
    def _data_by_name(cls, data: object) -> object:
        return {"name": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _something_to_learn(self) -> "Job":
        if not any(term.weight > 0 for term in self.objective):
            raise ValueError("every term of the objective has weight 0: nothing would be learnt")
        kinds = [term.kind for term in self.objective]
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"the objective names a kind twice: {', '.join(kinds)}")
        return self

    @model_validator(mode="after")
    def _anchored_log_odds(self) -> "Job":
        mse = any(
            isinstance(t, Logits) and t.loss == "mse" and t.weight > 0 for t in self.objective
        )
        if self.task == "question-answering" and mse and self.gold_weight == 0:
            raise ValueError(
                "logits by mse compare only the ends of words: for question answering "
                "add {kind: gold, weight: …} above 0, which teaches the other positions"
            )
        return self

    @property
    def gold_weight(self) -> float:
        """How much the labels of the data count in the loss."""
        return sum(term.weight for term in self.objective if isinstance(term, Gold))

    @property
    def needs_outputs(self) -> bool:
        """Whether the student learns from the teacher's outputs at all."""
        return any(isinstance(term, Logits) and term.weight > 0 for term in self.objective)

    def paths(self) -> Iterator[tuple[str, str]]:
        """Each field that names a path of this machine, with the path."""
        for field, model in (
            ("teacher.model", self.teacher.model),
            ("student.start", self.student.start),
        ):
            if model not in ("teacher", "random") and isinstance(source_of(model), Folder):
                yield field, str(model)
        for field, name in (("data.name", self.data.name), ("data.test", self.data.test)):
            if name is not None and "/" in name:
                yield field, name


def _checked(model: Model) -> Model:
    try:
        source_of(model)
    except BadSpec as error:
        raise ValueError(str(error)) from error
    return model
