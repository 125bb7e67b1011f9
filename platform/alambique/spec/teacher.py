"""A teacher: one model, or candidates of which the best run of fine-tuning teaches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    Tag,
    model_validator,
)

from alambique.spec.fields import (
    Epochs,
    Length,
    Overlap,
    Positive,
    Rate,
    Real,
    Spec,
    equal_to,
    not_empty,
    repeated,
    tag_where,
)
from alambique.spec.sources import Architecture, Model
from alambique.spec.train import Train

MOST_RUNS = 1000
"""The most runs of one job: more of them are a mistake, or several jobs."""

V = TypeVar("V")


NOT_EMPTY = not_empty("the list is empty: give something in it, or leave the field out")
"""The validator of lists that have at least one item."""


def _check_each_once(values: tuple[V, ...]) -> tuple[V, ...]:
    if twice := repeated(values):
        raise ValueError(f"{twice[0]} is there more than once: give each value once")
    return values


Values = Annotated[tuple[V, ...], NOT_EMPTY, AfterValidator(_check_each_once)]
"""What a field takes in one run after another."""


class Grid(Spec):
    """Fields of `train` that take several values: one run for each combination."""

    batch_size: Values[Positive] | None = None
    """As `train` says where not given, like the next two."""
    epochs: Values[Epochs] | None = None
    learning_rate: Values[Rate] | None = None

    @property
    def given_fields(self) -> Mapping[str, tuple[int | float, ...]]:
        """The fields that are given, with their values."""
        return {field: values for field, values in self if values is not None}

    @property
    def points(self) -> Iterator[tuple[tuple[str, int | float], ...]]:
        """Each combination, field by field; the learning rate changes first, the batch last."""
        fields = self.given_fields
        for values in product(*fields.values()):
            yield tuple(zip(fields, values, strict=True))

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return prod(len(values) for values in self.given_fields.values())

    def with_own(self, own: "Grid | None") -> "Grid":
        """Return this grid with the fields of `own` in place of its own."""
        return self if own is None else self.model_copy(update=dict(own.given_fields))


class Candidate(Spec):
    """A model that may become the teacher."""

    model: Model
    grid: Grid | None = None
    """Its fields take the place of those of the common one."""


def _is_candidate(value: object) -> bool:
    """Return whether it is no form of a model: an architecture is written as a mapping too."""
    is_architecture = isinstance(value, Mapping) and "architecture" in value
    return isinstance(value, Mapping | Candidate) and not is_architecture


CandidateEntry = Annotated[
    Annotated[Model, Tag("form")] | Annotated[Candidate, Tag("mapping")],
    tag_where(_is_candidate, "mapping", otherwise="form"),
]
"""A candidate as the job has it: a form of a model, or a mapping."""


@dataclass(frozen=True, slots=True)
class Run:
    """One fine-tuning of one candidate."""

    candidate: int
    """Which one, from 0."""
    model: str | Architecture
    train: Train | None
    """None: the model is fine-tuned already."""
    point: tuple[tuple[str, int | float], ...] = ()
    """The fields of `train` that are the grid's."""

    @property
    def point_text(self) -> str:
        """The point of the grid in words: "batch_size 16, learning_rate 1e-05"."""
        return ", ".join(f"{field} {value}" for field, value in self.point)


def _read_switch(value: object) -> object:
    """Return the word that YAML reads as a truth value, as it does on and off without quotes."""
    return ("on" if value else "off") if isinstance(value, bool) else value


class Teacher(Spec):
    """The model whose outputs a student learns from."""

    model: Model | None = None
    """The one that teaches; or else `candidates`."""
    candidates: Annotated[tuple[CandidateEntry, ...], NOT_EMPTY] | None = None
    """Each is fine-tuned over its grid; the run with the lowest validation loss teaches."""
    grid: Grid | None = None
    """What its runs try, for all candidates, or for the one model."""
    train: Train | None = None
    """How to fine-tune. Absent, of one model without a grid: it already is, which is checked
    before anything is spent. Absent else: by the defaults."""
    max_length: Length = 384
    """Tokens of its windows when it teaches; students have their own."""
    stride: Overlap = 128
    weight: Annotated[Real, Field(gt=0, le=1e6, exclude_if=equal_to(1.0))] = 1.0
    """How much its outputs count beside those of other teachers; alone it is never asked."""
    gate: Annotated[
        Literal["on", "off"], BeforeValidator(_read_switch), Field(exclude_if=equal_to("on"))
    ] = "on"
    """Whether it has to be better than a cheap baseline, and no candidate far below the others.
    Off: it teaches as it is, and the job and its versions say so."""

    @property
    def named_candidates(self) -> tuple[tuple[str, Candidate], ...]:
        """The one model or each candidate, in their order, with its field, from this record on."""
        if self.candidates is None:
            assert self.model is not None  # one of the two is given, says a validator
            return (("model", Candidate(model=self.model)),)
        return tuple(
            (f"candidates.{number}.model", entry)
            if isinstance(entry, Candidate)
            else (f"candidates.{number}", Candidate(model=entry))
            for number, entry in enumerate(self.candidates)
        )

    @property
    def training(self) -> Train | None:
        """What all runs share; None: the model is fine-tuned already."""
        has_several_runs = self.candidates is not None or self.grid is not None
        return self.train or (Train() if has_several_runs else None)

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run, in the order in which they are done.

        The candidates in their order; of each, all with the first batch size come first, among
        them those with the first number of epochs, and so on.
        """
        shared = self.training
        return tuple(
            Run(number, each.model, shared and shared.model_copy(update=dict(point)), point)
            for number, (_, each) in enumerate(self.named_candidates)
            for point in self._grid(each).points
        )

    @property
    def positions(self) -> int:
        """Of a network from scratch: for its own windows, and for those of most students."""
        shared = self.training
        return max(512, self.max_length, shared.max_length if shared else 0)

    def _grid(self, candidate: Candidate) -> Grid:
        return (self.grid or Grid()).with_own(candidate.grid)

    @model_validator(mode="after")
    def _check_model_or_candidates(self) -> "Teacher":
        if self.model is not None and self.candidates is not None:
            raise ValueError(
                "model and candidates are both given: keep candidates, with the model among them, "
                "or model alone"
            )
        if self.model is None and self.candidates is None:
            raise ValueError(
                "neither model nor candidates is given: give the model that teaches, or a list of "
                "candidates to choose from"
            )
        return self

    @model_validator(mode="after")
    def _check_can_teach(self) -> "Teacher":
        if isinstance(self.model, Architecture) and self.training is None:
            raise ValueError(
                "model is an architecture, whose weights have learnt nothing: say how to train it "
                "beside it (train, which {} leaves at its defaults)"
            )
        if self.stride >= self.max_length:
            raise ValueError(
                f"stride {self.stride} is not below max_length {self.max_length}: "
                "windows would never move on; lower stride"
            )
        return self

    @model_validator(mode="after")
    def _check_batch_measure(self) -> "Teacher":
        if self.train is None or self.train.batch_tokens is None:
            return self
        for number, (_, candidate) in enumerate(self.named_candidates):
            if self._grid(candidate).batch_size is not None:
                own = candidate.grid is not None and candidate.grid.batch_size is not None
                grid = f"candidates.{number}.grid" if own else "grid"
                raise ValueError(
                    f"{grid}.batch_size and train.batch_tokens are two measures of one thing: "
                    "drop one of them"
                )
        return self

    @model_validator(mode="after")
    def _check_run_count(self) -> "Teacher":
        count = sum(self._grid(candidate).size for _, candidate in self.named_candidates)
        if count > MOST_RUNS:
            raise ValueError(
                f"candidates and grid make {count} runs, a job has at most {MOST_RUNS}: give fewer "
                "values in a grid, or fewer candidates"
            )
        return self

    @model_validator(mode="after")
    def _check_distinct_runs(self) -> "Teacher":
        fields = [field for field, _ in self.named_candidates]
        seen: dict[tuple[object, object], Run] = {}
        for run in self.runs:
            same = seen.setdefault((run.model, run.train), run)
            if same is not run:
                point = f" ({run.point_text})" if run.point_text else ""
                raise ValueError(
                    f"{fields[same.candidate]} and {fields[run.candidate]} are the same model, "
                    f"and would be trained alike{point}: drop one, or give them other grids"
                )
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _skip_checked(
        cls, value: object, validate: ModelWrapValidatorHandler["Teacher"]
    ) -> "Teacher":
        # the last one is around the others: of a teacher that went through them they need not make
        # all runs again, which takes milliseconds for each job of a suite
        return value if isinstance(value, Teacher) else validate(value)
