"""As much of a job's result as tables of several jobs need, typed."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from alambique.spec.suite import Cell


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Macs(_Record):
    """Multiply-accumulates for one text; see `models.counts`."""

    linear: int


class Validation(_Record):
    """How a model did on the validation examples."""

    loss: float | None
    """None: of a teacher that came fine-tuned."""


class Seeded(_Record):
    """One training of a model."""

    seed: int | None
    """None: of a teacher."""


class Line(_Record):
    """A model in the table of a job."""

    name: str
    """teacher, gold-only, same-start or distilled."""
    trial: int | None = None
    """Of a search, the one that it is of, or stands beside."""
    seeds: tuple[Seeded, ...] = ()
    """The trainings that the scores are a mean over."""
    layers: int
    parameters: int
    macs: Macs
    metrics: dict[str, float]
    validation: Validation
    latency_ms: float
    inferences_per_second: float
    throughput: float | None = None
    """Examples per second, many at a time; None: of a job of an earlier version."""
    steps: int | None = None
    """Optimizer steps of its training; None: it came trained, or is of an earlier version."""
    version: str
    """As name@number."""

    @property
    def role(self) -> str:
        """What it is in its job, as its example scores are kept under."""
        role = "student" if self.name == "distilled" else self.name
        return role if self.trial is None else f"{role}-{self.trial}"


class Reference(_Record):
    """The network that speed-ups are told against, for the same texts."""

    name: str
    macs: Macs


class Candidate(_Record):
    """A run that the teacher was chosen from."""

    model: str
    train: dict[str, int | float]
    """The fields of its training that the grid set."""
    loss: float | None
    """On validation; None: it has no weights, or came fine-tuned."""
    taught: bool
    """Whether it was chosen."""


class Outputs(_Record):
    """Teacher outputs, in texts."""

    examples: int
    """That the job needed."""
    computed: int
    """That it had to compute; the others were there."""


class Result(_Record):
    """What a job ended with."""

    rows: tuple[Line, ...]
    primary: str
    reference: Reference
    outputs: Outputs | None
    """None: the job needed none."""
    candidates: tuple[Candidate, ...] = ()
    """None: the teacher is the one model that the job names."""


class Finished(_Record):
    """A job of a suite that has succeeded."""

    id: UUID
    cell: Cell
    result: Result


def finished(id: UUID, cell: dict[str, Any], result: dict[str, Any]) -> Finished | None:  # noqa: A002
    """The job with that place and result; None where a program of another version wrote them."""
    try:
        return Finished(id=id, cell=Cell.model_validate(cell), result=Result.model_validate(result))
    except ValidationError:
        return None
