"""A job: which teacher, which student, on what data, to what end."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from alambique.spec import general
from alambique.spec.compression import Compression, Format
from alambique.spec.data import Data
from alambique.spec.data_sources import AtPath, data_source_of
from alambique.spec.fields import (
    Duration,
    Layers,
    Name,
    Seed,
    Spec,
    Whole,
    Width,
    equal_to,
    fault_at,
    repeated,
)
from alambique.spec.objective import (
    Gold,
    IntermediateLoss,
    Logits,
    Objective,
    Term,
    has_teacher_loss,
    is_active,
)
from alambique.spec.publication import Publish
from alambique.spec.search import Search
from alambique.spec.sources import Architecture, Folder, Model, source_of
from alambique.spec.teachers import TeacherEntry, Teachers, teacher_entries
from alambique.spec.train import Resources, Train

_ROLES = ("teacher", "random")
"""What a student can start from that is no model of its own."""
_REGISTERED_AS = re.compile(
    r"(.+?)-(teacher(?:-[0-9]+)?|gold-only|same-start|(?:teacher-[0-9]+-)?candidate-[0-9]+"
    rf"|{'|'.join(Format)})"
)
"""What a job of the first name registers the network of the second as."""


Baseline = Literal["gold-only", "same-start"]
"""A student that learns from gold labels alone: from the encoder before it was fine-tuned, or from
the very network that the distilled student starts from."""


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
    def _check_start(cls, start: Model) -> Model:
        if isinstance(start, Architecture):
            raise ValueError(
                "an architecture has no weights to start from: say start: random, with width, "
                "heads and ffn"
            )
        return start

    @model_validator(mode="after")
    def _check_kept_layers(self) -> "Student":
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

    @field_validator("train", mode="before")
    @classmethod
    def _set_constant_rate(cls, train: object) -> object:
        return {"schedule": "constant", "warmup": 0.0} | train if isinstance(train, dict) else train


class Job(Spec):
    """All that a job says. Two equal jobs do the same."""

    name: Name | None = None
    project: Name = "default"
    task: Name
    data: Data
    teacher: Teachers
    """Of several, the student learns from what they say together; it starts from the first."""
    student: Student
    objective: Objective = (Logits(),)
    train: Train = Train()
    intermediate: Intermediate | None = None
    """What the student learns before."""
    compare: Annotated[tuple[Baseline, ...], Field(max_length=2)] = ()
    """What to train beside the distilled student, to see what distilling gained. Each takes as many
    optimizer steps as the distilled student, on the schedule of `train`."""
    seeds: Annotated[tuple[Seed, ...], Field(max_length=100)] = ()
    """Each student is trained once for each of them, in the place of `train.seed`."""
    distil: Annotated[bool, Field(strict=True, exclude_if=equal_to(True))] = True
    """Whether to train the distilled student; where not, those alone that `compare` names."""
    search: Search | None = None
    """Many students in the place of one, to find the best."""
    compress: Annotated[Compression, Field(exclude_if=equal_to(Compression()))] = Compression()
    """Smaller and faster files to make of each distilled student: a list of formats, or
    {formats, tolerance, calibration}."""
    publish: Annotated[Publish | None, Field(exclude_if=equal_to(None))] = None
    """Where the distilled student is published; of a search, that with the lowest validation
    loss."""
    resources: Resources = Resources()
    priority: Annotated[Whole, Field(ge=0, le=100)] = 50
    """Higher goes first."""
    deadline: Duration | None = None
    """From when the job was posted."""
    fresh: bool = False
    """Whether to do each stage again, though a job of the project has done it."""

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        if name and (match := _REGISTERED_AS.fullmatch(name)):
            raise ValueError(
                f"{name} is what the {match[2]} of a job {match[1]} is registered as: give the "
                "job another name"
            )
        return name

    @field_validator("data", mode="before")
    @classmethod
    def _expand_data_name(cls, data: object) -> object:
        return {"name": data} if isinstance(data, str) else data

    @field_validator("compress", mode="before")
    @classmethod
    def _expand_formats(cls, compress: object) -> object:
        return {"formats": compress} if isinstance(compress, list | tuple) else compress

    @field_validator("objective")
    @classmethod
    def _check_objective(
        cls, objective: tuple[Term, ...], info: ValidationInfo
    ) -> tuple[Term, ...]:
        _check_anchor(info.data.get("task"), objective)
        return objective

    @field_validator("intermediate")
    @classmethod
    def _check_intermediate(
        cls, first: Intermediate | None, info: ValidationInfo
    ) -> Intermediate | None:
        _check_anchor(info.data.get("task"), first.objective if first else ())
        return first

    @model_validator(mode="after")
    def _check_one_teacher_of_layers(self) -> "Job":
        if len(self.teachers) == 1:
            return self
        for place, terms in self.objective_places:
            for number, term in enumerate(terms):
                if isinstance(term, IntermediateLoss) and is_active(term):
                    raise fault_at(
                        (*place, number),
                        f"{term.label} compares the student with the layers of one teacher, and "
                        f"there are {len(self.teachers)}: keep one teacher, or learn their outputs "
                        "({kind: logits})",
                        term.model_dump(mode="json", exclude_unset=True),
                    )
        return self

    @model_validator(mode="after")
    def _check_unlabelled(self) -> "Job":
        if self.data.unlabelled is not None and not any(map(has_teacher_loss, self.objectives)):
            raise fault_at(
                ("data", "unlabelled"),
                "the student learns from labels alone, which these examples are not asked for: "
                "give {kind: logits} a weight above 0 in the objective, or drop them",
                self.data.unlabelled,
            )
        return self

    @field_validator("compare", "seeds")
    @classmethod
    def _check_each_once(
        cls, values: tuple[object, ...], info: ValidationInfo
    ) -> tuple[object, ...]:
        if repeated(values):
            raise ValueError(f"one of {info.field_name} is given twice: it would do the same again")
        return values

    @model_validator(mode="after")
    def _check_seeds(self) -> "Job":
        for place, train in self._trainings:
            if self.seeds and train.seed != Train().seed:
                raise fault_at(
                    (*place, "seed"),
                    "seeds says which seeds the students are trained with: drop one of the two",
                    train.seed,
                )
        return self

    @property
    def _trainings(self) -> tuple[tuple[tuple[str, ...], Train], ...]:
        """How the student is trained, each with the place where the job says it."""
        before = self.intermediate
        first = ((("intermediate", "train"), before.train),) if before else ()
        return (*first, (("train",), self.train))

    @property
    def per_seed(self) -> tuple["Job", ...]:
        """The job with each of its seeds, in their order; without any, as it is."""
        return tuple(self.with_seed(seed) for seed in self.seeds) or (self,)

    def with_seed(self, seed: int) -> "Job":
        """Return the job with all trainings of its student under this seed alone."""
        update: dict[str, Any] = {
            "seeds": (),
            "train": self.train.model_copy(update={"seed": seed}),
        }
        if before := self.intermediate:
            train = before.train.model_copy(update={"seed": seed})
            update["intermediate"] = before.model_copy(update={"train": train})
        return self.model_copy(update=update)

    @model_validator(mode="after")
    def _check_distil(self) -> "Job":
        if self.distil:
            return self
        if not self.compare:
            raise fault_at(
                ("distil",),
                "without the distilled student nothing is left to train: name another one in "
                "compare, such as [gold-only]",
                self.distil,
            )
        if self.search is not None:
            raise fault_at(
                ("distil",),
                "a search is for the distilled student: leave out the search, or distil",
                self.distil,
            )
        return self

    @property
    def teachers(self) -> tuple[TeacherEntry, ...]:
        """The one teacher, or each of several in their order."""
        return teacher_entries(self.teacher)

    @field_validator("data", "teacher", "objective", "intermediate", "compare")
    @classmethod
    def _check_general(cls, value: Any, info: ValidationInfo) -> Any:
        match info.data.get("task"), info.field_name:
            case general.NAME, "data":
                general.check_unlabelled(value.unlabelled)
            case general.NAME, "teacher":
                for one in teacher_entries(value):
                    general.check_teacher(one.spec)
            case general.NAME, "objective":
                general.check_objective(value)
            case general.NAME, "intermediate" if value is not None:
                general.check_objective(value.objective)
            case general.NAME, "compare":
                general.check_compare(value)
        return value

    @model_validator(mode="after")
    def _check_general_objective(self) -> "Job":
        if self.task == general.NAME:  # where no objective is given, the default is of outputs
            general.check_objective(self.objective)
        return self

    @property
    def objectives(self) -> tuple[tuple[Term, ...], ...]:
        """What the student is taught, one after the other."""
        return tuple(terms for _, terms in self.objective_places)

    @property
    def objective_places(self) -> tuple[tuple[tuple[str, ...], tuple[Term, ...]], ...]:
        """What it is taught, each with the place where the job says it."""
        last = (("objective",), self.objective)
        if self.intermediate is None:
            return (last,)
        return ((("intermediate", "objective"), self.intermediate.objective), last)

    @property
    def needs_outputs(self) -> bool:
        """Whether the student ever learns from the teacher's outputs."""
        if not self.distil:
            return False
        terms = chain.from_iterable(self.objectives)
        return any(isinstance(term, Logits) and is_active(term) for term in terms)

    def models(self) -> Iterator[tuple[str, str | Architecture]]:
        """Yield each field that names a model, with the model."""
        for entry in self.teachers:
            for field, candidate in entry.named_candidates:
                yield field, candidate.model
        if self.student.start not in _ROLES:
            yield "student.start", self.student.start

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield each field that names a path of this machine, with the path."""
        for field, model in self.models():
            if isinstance(source_of(model), Folder):
                yield field, str(model)
        for field, name in self.data.names.items():
            if isinstance(data_source_of(name), AtPath):
                yield f"data.{field}", name


def _check_anchor(task: object, terms: tuple[Term, ...]) -> None:
    """Check that another term teaches the positions that logits of spans by mse leave out."""
    mse = any(_is_mse(term) and is_active(term) for term in terms)
    others = (Gold, Logits)
    anchor = any(isinstance(t, others) and not _is_mse(t) and is_active(t) for t in terms)
    if task == "question-answering" and mse and not anchor:
        raise ValueError(
            "logits by mse compare only the ends of words: for question answering "
            "add {kind: gold, weight: …} above 0, which teaches the other positions"
        )


def _is_mse(term: Term) -> bool:
    return isinstance(term, Logits) and term.loss == "mse"
