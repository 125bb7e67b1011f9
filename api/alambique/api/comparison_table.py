"""The table of a suite as a value: models, data sets, scores and gains."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["teacher", "gold-only", "same-start", "distilled"]
BASELINES: tuple[Role, ...] = ("gold-only", "same-start")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Spread(_Record):
    """A score on the test split over the seeds."""

    mean: float
    """0 to 1."""
    deviation: float | None
    """The standard deviation; null where there is one seed."""


class ColumnGain(_Record):
    """The gain in the score of a column that counts, over the better baseline."""

    over: Role
    value: float
    low: float | None
    """The lower end of the 95 % interval over seeds and examples; null if it is not known: jobs of
    an earlier version did not store the scores of examples."""
    high: float | None
    """The upper end of that interval."""
    seeds: int
    """The number of seeds; of one, the interval is over examples alone."""


class ColumnScore(Spread):
    """A model on one data set: the score of its column that counts."""

    gain: ColumnGain | None = None
    """Null but for a distilled student with a baseline."""

    beside: dict[str, Spread]
    """The other scores of the column, by name."""
    complete: bool
    """Whether every job of the model has succeeded: each seed, and each point of the grid."""
    steps: int | None = None
    """Optimizer steps of its training; the mean over seeds."""
    version: str
    """As name@number: of the seeds that with the lowest validation loss, which is published."""


class ComparisonRow(_Record):
    """A model over all data sets: the teacher, or one student in one role.

    `speed_up` and all fields below it are over the data sets that every model of the table has;
    null while there is none.
    """

    role: Role
    teacher: str
    """The names that the suite gives."""
    student: str | None
    """null: of the teacher itself."""
    layers: int | None
    """null: not the same everywhere."""
    scores: dict[str, ColumnScore | None]
    """By data set; null where no job has succeeded."""
    score: float | None
    """The mean over all data sets; null while one is missing."""
    speed_up: float | None
    """The reference's MACs (linear) over the model's, summed over data sets."""
    parameters: int | None
    """The largest number over data sets, whose heads differ."""
    latency_ms: float | None
    """Milliseconds for one text of the job's length; the mean over data sets."""
    times_teacher: float | None = None
    """How many times as fast as its teacher, timed in turns in the same job; the geometric mean
    over data sets."""
    throughput: float | None
    """Examples per second, many at a time; the harmonic mean over data sets."""
    inferences_per_second: float | None
    """One text at a time; the harmonic mean over data sets."""


class Column(_Record):
    """A data set of the suite."""

    name: str
    metric: str | None
    """The score that counts in the table; null while no job has succeeded."""
    beside: tuple[str, ...]
    """The other scores that the column shows."""


class SelectedRun(_Record):
    """The run of fine-tuning that teaches a data set, of several candidates or points of a grid."""

    task: str
    teacher: str
    """The names that the suite gives."""
    model: str
    train: dict[str, int | float]
    """The fields of its training that the grid set."""
    loss: float | None
    """On validation, by which it was chosen."""
    runs: int
    """The number of runs that it was chosen from."""


class TeacherPasses(_Record):
    """The number of times that a teacher has read the training examples of a data set."""

    task: str
    teacher: str
    passes: float
    """The outputs that all succeeded jobs have computed, over those that one job needs."""


class Comparison(_Record):
    """The table of a suite."""

    columns: tuple[Column, ...]
    rows: tuple[ComparisonRow, ...]
    reference: str | None
    """The network that speed-ups are relative to; null while no job has succeeded."""
    passes: tuple[TeacherPasses, ...]
    chosen: tuple[SelectedRun, ...]
    """The run of each teacher and data set that had several."""
    notes: tuple[str, ...]
    """Where distilling did not help, which gains have no interval, what jobs note of their
    teachers, whether the machine was busy; only of complete scores."""
