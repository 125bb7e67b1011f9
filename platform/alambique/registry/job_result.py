"""What a job ends with: its table, and what readers of it should know.

Workers write it once; the registry keeps it as JSON; the API, suites and the command line read it.
Fields that were added later have defaults, so that results of earlier versions can still be read.
"""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_BUSY_RATIO = 1.1
"""Networks of one shape take equally long: if latencies differ by more, the machine was busy."""


class _Record(BaseModel):
    """A frozen record; fields of a newer version are left out."""

    model_config = ConfigDict(frozen=True)


class Macs(_Record):
    """Multiply-accumulates for one text; see `models.counts`."""

    linear: int
    """Of linear layers alone."""
    full: int
    """With those of attention scores."""


class Validation(_Record):
    """How a model did on the validation examples, at its best epoch."""

    loss: float | None
    """None: of a teacher that came fine-tuned."""
    metric: float | None = None
    """The primary metric of the task."""


class SpeedFigures(_Record):
    """How fast a model is on one device, measured in turns with the others of its table."""

    latency_ms: float
    """Of one text by itself."""
    latency_low_ms: float | None = None
    """A tenth of the timed runs took less. None: a result of an earlier version."""
    latency_high_ms: float | None = None
    """A tenth of the timed runs took more. None: a result of an earlier version."""
    inferences_per_second: float
    """Of one text at a time."""
    throughput: float | None = None
    """Examples per second, many at a time. None: a result of an earlier version."""


def busy_note(latencies: Sequence[tuple[float, str]], device: str | None = None) -> str | None:
    """Return the note on a busy machine if networks of one shape differ in speed; else None.

    Args:
        latencies: milliseconds and name of each network, all of one shape.
        device: the device that they ran on, for the note; None: the note names none.
    """
    (least, quick), (most, slow) = min(latencies), max(latencies)
    if most <= _BUSY_RATIO * least:
        return None
    where = f" on its {device.upper()}" if device else ""
    return (
        f"the machine was busy: {quick} took {least:.3g} ms{where} and {slow}, a network of the "
        f"same shape, {most:.3g} ms; times of this table are not to be relied on"
    )


class DeviceSpeed(SpeedFigures):
    """How fast a model is on a further device."""

    device: str
    """Its kind: cpu or cuda."""


class Gain(_Record):
    """What distilling gained over one baseline, in the primary metric on the test split."""

    over: str
    """The baseline: gold-only or same-start."""
    value: float
    low: float
    """The lower end of the 95 % interval of a paired bootstrap."""
    high: float
    """The upper end of that interval."""
    seeds: int
    """How many trainings the gain is over; of one, the interval is over examples alone."""

    @property
    def holds_zero(self) -> bool:
        """Whether the gain may be chance: its interval holds 0."""
        return self.low <= 0 <= self.high


class LayerMap(_Record):
    """Which layers of its teacher those of a student were compared with, counted from 0."""

    pairs: tuple[tuple[int, int], ...] | None = None
    """Layer of the student, layer of the teacher. None: each layer of the student was compared with
    a mixture of the teacher's."""
    weights: tuple[tuple[float, ...], ...] | None = None
    """For each layer of the student, how much each of the teacher's counted when the student was
    at its best."""
    likeness: tuple[float, ...] | None = None
    """The CKA of each pair before the training, from 0 to 1, where the map was chosen by that."""


class SeedResult(_Record):
    """One of the trainings that a row's scores are a mean over."""

    seed: int | None
    """None: of a teacher."""
    metrics: dict[str, float] = Field(default_factory=dict)
    validation: Validation | None = None
    steps: int | None = None
    diverged: bool = False
    registered: bool = False
    """Whether the row's version is this one: it has the lowest validation loss."""


class ResultRow(SpeedFigures):
    """A model in the table of a job; of several seeds, their mean."""

    name: str
    """teacher (of several, teacher-2 and so on), gold-only, same-start or distilled."""
    trial: int | None = None
    """The trial of a search that it is the student of, or the baseline of."""
    layers: int
    parameters: int
    macs: Macs
    metrics: dict[str, float]
    """On the test split; means over the seeds."""
    deviations: dict[str, float] = Field(default_factory=dict)
    """Standard deviations over the seeds; empty where there is one."""
    retention: float | None = None
    """The part of the best teacher's primary metric that a student keeps."""
    gains: tuple[Gain, ...] = ()
    """Over each baseline, the better one first."""
    steps: int | None = None
    """Optimizer steps of its training. None: it came trained."""
    validation: Validation
    seeds: tuple[SeedResult, ...] = ()
    version: str
    """The registered model, as name@number."""
    maps: dict[str, LayerMap] = Field(default_factory=dict)
    """By the label of the term that compares layers."""
    also: tuple[DeviceSpeed, ...] = ()
    """Its speeds on further devices."""

    @property
    def role(self) -> str:
        """What it is in its job, as its example scores are kept under."""
        return role_of(self.name, self.trial)

    @property
    def own_metrics(self) -> dict[str, float]:
        """Those of the registered model itself; of one training the same as `metrics`."""
        own = (seed.metrics for seed in self.seeds if seed.registered and seed.metrics)
        return next(own, self.metrics)


class Reference(_Record):
    """The network that speed-ups are relative to, for the same texts."""

    name: str
    macs: Macs


class Candidate(_Record):
    """A run of fine-tuning that a teacher was chosen from."""

    teacher: str = "teacher"
    """The role of that teacher."""
    model: str
    train: dict[str, int | float]
    """The fields of its training that the grid set."""
    loss: float | None
    """On validation. None: it has no weights, or came fine-tuned."""
    metric: float | None = None
    """The primary metric on validation. None: it has no weights."""
    collapsed: str | None = None
    """Why it cannot teach."""
    taught: bool
    """Whether it was chosen."""
    version: str | None = None
    """As name@number. None: it has no weights."""


class OutputCounts(_Record):
    """How many teacher outputs the job needed and computed, in texts."""

    examples: int
    """That the job needed."""
    computed: int
    """That it had to compute; the others were there."""


class Dimension(_Record):
    """A field that a search varied."""

    field: str
    importance: float | None
    """Its part in how well trials did by the first goal, from 0 to 1. None: too few trials."""


class FrontMember(_Record):
    """A trial on the Pareto front of a search."""

    trial: int
    values: dict[str, Any]
    epochs: int
    metrics: dict[str, float]
    version: str


class Balance(_Record):
    """How well a front trades scores for costs, from 0 to 1; see `distill.front`."""

    macs: float
    latency_ms: float


class SearchResult(_Record):
    """What a search found."""

    goals: tuple[str, ...]
    trials: dict[str, int]
    """How many ended in each state."""
    dimensions: tuple[Dimension, ...]
    front: tuple[FrontMember, ...]
    balance: Balance
    score_per_octave: float | None
    """What doubling the MACs adds to the score. None: the front has one member."""


class EngineRow(_Record):
    """A network in one engine and format, beside the others of its job.

    Without figures of speed it is a file that was not registered; `note` says why.
    """

    model: str
    """Its role: teacher, student, or of a trial student-N."""
    engine: str
    """onnxruntime, openvino or torch."""
    format: str
    """fp32 as it was trained, or a format of `compress`."""
    version: str | None = None
    """As name@number. None: it is not registered by itself."""
    bytes: int | None = None
    """Size of its files."""
    metric: float | None = None
    """The metric that it is judged by, on the test split."""
    metric_name: str | None = None
    """The name of the metric that it is judged by: without a head `cosine`, of its states and those
    of the network that it was made of. None: the job's primary metric."""
    validation: float | None = None
    """The metric that it is judged by, on the validation examples."""
    own_validation: float | None = None
    """What the network that it was made of has on the validation examples."""
    difference: float | None = None
    """The largest difference of a logit from that network's."""
    p50_ms: float | None = None
    """Of real texts, one at a time; half of them took less."""
    p95_ms: float | None = None
    p99_ms: float | None = None
    one_thread_ms: float | None = None
    """As p50_ms, with one thread."""
    per_second: dict[int, float] = Field(default_factory=dict)
    """Texts per second, by how many of them are a batch."""
    ratio: float | None = None
    """How many times as fast as the first row, one text at a time: the median over rounds."""
    memory: int | None = None
    """Bytes that a process grows by which opens the file in its engine and answers the longest
    text. None: torch runs it, the system does not tell, or a result of an earlier version."""
    is_winner: bool = False
    """Whether it is the student's quickest form."""
    note: str | None = None


class HubRepository(_Record):
    """What a repository of the hub says of itself, as it was when a job read it."""

    kind: Literal["base model", "data"]
    named: str
    """As the job names it, with its commit; or as the README.md does that names it."""
    commit: str | None = None
    """At which it was read. None: it could not be."""
    licence: str | None = None
    """As it is stated. None: it is not."""
    url: str | None = None
    """Where its terms are."""
    base_models: tuple[str, ...] = ()
    """That it says it was made of, as they are named there."""
    data_sets: tuple[str, ...] = ()
    """That it says it has learnt from, as they are named there."""
    unread: str | None = None
    """Why it could not be read. None: it was."""


class JobResult(_Record):
    """What a job ended with."""

    rows: tuple[ResultRow, ...]
    """The teachers first, then the students with their baselines."""
    primary: str
    """The metric that models are compared by."""
    reference: Reference
    outputs: OutputCounts | None
    """None: the job needed none."""
    notes: tuple[str, ...] = ()
    """What a reader of the table should not miss."""
    teacher_notes: tuple[str, ...] = ()
    """Those of `notes` that are about the choice of a teacher, as that its gate was off."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """How scores and speeds were measured."""
    candidates: tuple[Candidate, ...] = ()
    """Empty: each teacher is the one model that the job names."""
    search: SearchResult | None = None
    engines: tuple[EngineRow, ...] = ()
    """Networks in several engines, raced on the worker's machine. Empty: the job compresses
    nothing."""
    race_settings: dict[str, Any] = Field(default_factory=dict)
    """How the engines were raced."""
    repositories: tuple[HubRepository, ...] = ()
    """Models and data of the hub that the job began with, and all that those say they were made of.
    Empty: the job has none, or the hub did not answer."""

    @classmethod
    def read(cls, content: dict[str, Any]) -> Self | None:
        """Return the result that the registry keeps as JSON; None: another version wrote it."""
        try:
            return cls.model_validate(content)
        except ValidationError:
            return None


def role_of(name: str, trial: int | None) -> str:
    """Return what a model is in its job, of a trial with its number.

    >>> role_of("distilled", None), role_of("gold-only", 3)
    ('student', 'gold-only-3')
    """
    role = "student" if name == "distilled" else name
    return role if trial is None else f"{role}-{trial}"
