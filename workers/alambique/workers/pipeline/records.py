"""The results of stages: small records that later stages read, and the registry keeps as JSON."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from alambique.registry.job_result import LayerMap, role_of
from alambique.spec.compression import Format
from alambique.spec.data import Split
from alambique.spec.fields import Spec
from alambique.spec.states import StudentRole
from alambique.spec.train import Train
from alambique.workers.training.spec import OutputsLocation, TrainingSpec


class CodeVersion(Spec):
    """The code that did a stage, or a part of it."""

    code: str
    """The package's version, and a hash of its sources."""
    libraries: dict[str, str]
    """The version of each library that numbers depend on."""

    def __str__(self) -> str:
        """As people read it; equal where all of it is equal."""
        libraries = ", ".join(f"{name} {version}" for name, version in self.libraries.items())
        return f"alambique {self.code} ({libraries})"


class StageResult(Spec, ABC):
    """The result of a stage that other jobs of the project may reuse."""

    @abstractmethod
    def with_code(self, made_by: tuple[CodeVersion, ...]) -> Self:
        """Return the same, with the code that made it."""


class Unlabelled(Spec):
    """Examples that a teacher alone teaches, as a file."""

    file: Path
    hash: str
    count: int


class DataSet(Spec):
    """A job's examples, parsed, as files that later stages read."""

    name: str
    test_name: str
    files: dict[Split, Path]
    hashes: dict[Split, str]
    counts: dict[Split, int]
    labels: tuple[str, ...]
    unlabelled: Unlabelled | None = None
    warnings: tuple[str, ...] = ()
    """What a reader of scores should know of the examples, as that splits share texts."""


class InitialModel(Spec):
    """A model whose weights a training or a student begins with."""

    name: str
    """As the job names it, with the commit or the number that was found."""
    version: UUID | None
    """Of the registry, where it is one of its versions."""
    folder: Path
    weights: str
    """Content hash of the network."""
    content: str
    """That, and the tokenizer and the names of its classes."""
    head: bool
    """Whether it has one for the task and the labels of the data."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Of a model that was imported from the hub: the sha256 of each file that it was made of."""


class CheckResult(Spec):
    """The examples and models of a job, which its check has read and found to fit together."""

    data: DataSet
    initial_teachers: tuple[tuple[InitialModel | None, ...], ...]
    """For each teacher, the model of each of its candidates. None: trained from scratch."""
    initial_student: InitialModel | None
    """The model that the job names for students to start from. None: they start from the teacher,
    or from random weights."""


class TrainedModel(Spec):
    """A network that a job has trained, or found fit to teach."""

    name: str
    """Which network of its job it is: teacher (of several, teacher-2 and so on) or a
    `StudentRole`."""
    folder: Path
    weights: str
    max_length: int
    stride: int
    loss: float | None
    """On validation; None for a teacher that came fine-tuned."""
    metric: float
    """The primary metric on validation."""
    seconds: float
    steps: int | None = None
    """Optimizer steps; None of a network that came trained."""
    seed: int | None = None
    """Of a student: the one that it was trained with."""
    diverged: bool = False
    maps: dict[str, LayerMap] = Field(default_factory=dict)
    """Of each term that compares layers by a map."""
    training: TrainingSpec | None = None
    """Its training, if it is a student without a head, which is scored by its likeness to the
    teacher."""
    trial: int | None = None
    """The trial on the front of a search that it is the student of, or a baseline of."""
    values: dict[str, Any] | None = None
    """The values of that trial."""
    made_by: tuple[CodeVersion, ...] = ()
    """The code that trained it, or that tested a model that came fine-tuned; several if other code
    resumed the training. Empty for a network that was made before this was recorded."""
    outputs_by: tuple[CodeVersion, ...] = ()
    """The code that computed the teacher outputs that it has learnt from; empty without any."""

    @property
    def role(self) -> str:
        """The name as the registry stores it: `student` for distilled, with the trial's number."""
        return role_of(self.name, self.trial)


class GateFigures(Spec):
    """The scores of a teacher and of a cheap baseline on the same validation examples."""

    metric: str
    """The task's primary one."""
    score: float
    """Of the teacher, with the windows that it teaches with."""
    baseline: str
    """The name of the task's best baseline."""
    baseline_score: float
    difference: float
    """How much higher the teacher's score is."""
    low: float
    """The lower end of the difference's interval, as `tasks.bootstrap` draws it."""
    high: float

    @property
    def half_width(self) -> float:
        """Half the distance between the two ends of the interval."""
        return (self.high - self.low) / 2

    @property
    def is_passed(self) -> bool:
        """Whether the teacher is better by more than the half-width."""
        return self.difference > self.half_width


class FineTuneResult(StageResult):
    """The result of one run of fine-tuning, or of testing a model that came fine-tuned."""

    model: TrainedModel | None
    """None: it diverged before it had any weights to keep."""
    start: Path
    """The folder that its fine-tuning began with: encoder, tokenizer, an untrained head."""
    diverged: str | None = None
    """Why it has no weights."""
    gate: GateFigures | None = None
    """What decides whether it may teach. None: it has no weights, or its task has no baselines."""
    seconds: float = 0.0
    start_made_by: tuple[CodeVersion, ...] = ()
    """What made the start, which a run of another job may have made before."""

    def with_code(self, made_by: tuple[CodeVersion, ...]) -> Self:
        """Return the same, with the code that made its network, from its start on."""
        if self.model is None:
            return self
        made_by = (*(maker for maker in self.start_made_by if maker not in made_by), *made_by)
        model = self.model.model_copy(update={"made_by": made_by})
        return self.model_copy(update={"model": model})


class FineTuneRun(Spec):
    """One of the runs that a job's teacher is chosen from, with its result."""

    number: int
    """From 1, in the order of the job."""
    candidate: int
    """From 0."""
    model: str
    """As the job names it, with the commit or the number that was found."""
    name: str
    """What people call the run: "mini-es, batch_size 16, learning_rate 1e-05"."""
    point: dict[str, int | float]
    """The fields of `train` that the grid set."""
    train: Train | None
    result: FineTuneResult
    collapsed: str | None = None
    """Why it cannot teach, by its own figures and by those of the other runs of its job."""

    @property
    def loss(self) -> float | None:
        """The loss on validation; None where it has no weights, or came fine-tuned."""
        return self.result.model.loss if self.result.model else None

    @property
    def metric(self) -> float | None:
        """The primary metric on validation; None where it has no weights."""
        return self.result.model.metric if self.result.model else None


class SelectedTeacher(Spec):
    """A teacher of the job, and what it was chosen from."""

    model: TrainedModel
    start: Path
    """The folder that its fine-tuning began with: encoder, tokenizer, an untrained head."""
    number: int = 1
    """Of its run."""
    candidate: int = 0
    """Which candidate it is."""
    runs: tuple[FineTuneRun, ...] = ()
    """All runs, where there were several."""
    gate: GateFigures | None = None
    gate_off: bool = False
    """Whether the job lets it teach whatever its figures are."""
    collapsed: str | None = None
    """Why it would not teach if the gate were on."""


class CachedOutputs(Spec):
    """Where a teacher's outputs for what the student learns from are."""

    location: OutputsLocation
    total: int
    """How many there are: one for each different text."""
    computed: int
    """How many of them the job computed, in all of its attempts; the others were there."""
    made_by: tuple[CodeVersion, ...] = ()
    """What computed them, in this job or in whichever others."""


class StudentResult(StageResult):
    """A trained student of a job."""

    model: TrainedModel

    def with_code(self, made_by: tuple[CodeVersion, ...]) -> Self:
        """Return the same, with the code that made the student."""
        model = self.model.model_copy(update={"made_by": made_by})
        return self.model_copy(update={"model": model})


class Score(Spec):
    """The scores and the size of a network on the test split."""

    layers: int
    parameters: int
    macs_linear: int
    macs_full: int
    metrics: dict[str, float]


class Speed(Spec):
    """The speed of a network on a device, measured in turns with the others of its table."""

    device: str
    """Its kind: cpu or cuda."""
    latency_ms: float
    """Of one text: the mean of the timed runs that the filter kept."""
    latency_kept: int
    """How many those are."""
    latency_low_ms: float
    """A tenth of all timed runs took less."""
    latency_high_ms: float
    """A tenth of all timed runs took more."""
    throughput: float
    """Examples of the test split per second, many at a time."""


class Evaluation(StageResult):
    """The scores of a network, and how they were measured."""

    score: Score
    settings: dict[str, Any]
    fractions: Path | None = None
    """A file of numpy with what each test example adds to the two sums whose ratio is the primary
    metric, (E, 2); None without a head, where no example has a score."""
    notes: tuple[str, ...] = ()
    """What makes the scores lower than the networks deserve."""
    made_by: tuple[CodeVersion, ...] = ()
    """The code that measured it."""

    def with_code(self, made_by: tuple[CodeVersion, ...]) -> Self:
        """Return the same, with the code that measured it."""
        return self.model_copy(update={"made_by": made_by})


class SpeedResult(StageResult):
    """The speeds of the networks of one table."""

    networks: tuple[tuple[Speed, ...], ...]
    """Of each network, in their order, on the device that it was tested on, then on others."""
    settings: dict[str, Any]
    made_by: tuple[CodeVersion, ...] = ()

    def with_code(self, made_by: tuple[CodeVersion, ...]) -> Self:
        """Return the same, with the code that measured it."""
        return self.model_copy(update={"made_by": made_by})


class CompressedModel(StageResult):
    """A network in another format, with the change of its score."""

    format: Format
    model: TrainedModel
    """The network that it was made of."""
    folder: Path
    content: str
    """Hash of its files; empty where it failed."""
    bytes: int
    """Size of its files, without tokenizer and config."""
    metric: str
    """What it is judged by: the primary metric of the task; without a head the mean cosine between
    its states and those of the network."""
    score: float
    """On the validation examples."""
    own_score: float
    """Of the network that it was made of, on the same examples."""
    accepted: bool
    """Whether it loses no more than the job's tolerance."""
    difference: float
    """The largest difference of a logit, over the validation examples."""
    metrics: dict[str, float]
    """On the test split."""
    seconds: float
    failure: str | None = None
    """Why there are no files."""
    made_by: tuple[CodeVersion, ...] = ()

    def with_code(self, made_by: tuple[CodeVersion, ...]) -> Self:
        """Return the same, with the code that made it."""
        return self.model_copy(update={"made_by": made_by})


class EngineSpeed(Spec):
    """The speed of one file of a network in its engine, measured in rounds with the others."""

    p50_ms: float
    """Of real texts, one at a time; half of them took less."""
    p95_ms: float
    p99_ms: float
    per_second: dict[int, float]
    """Texts per second, by how many of them are a batch."""
    one_thread_ms: float
    """As p50_ms, with a single thread."""
    ratio: float
    """The time of the first contestant over this one's: the median over the texts, one at a
    time."""
    memory: int | None = None
    """Bytes that a process grows by which opens the file and answers the longest text. None: torch
    runs it, the system does not tell, or an earlier version raced it."""


class RaceResult(StageResult):
    """The speeds of a job's networks in every format and engine, raced on this machine."""

    speeds: tuple[EngineSpeed, ...]
    """Of each contestant; the first is the one that ratios are over."""
    settings: dict[str, Any]
    made_by: tuple[CodeVersion, ...] = ()

    def with_code(self, made_by: tuple[CodeVersion, ...]) -> Self:
        """Return the same, with the code that measured it."""
        return self.model_copy(update={"made_by": made_by})


def model_name(given: str | None, job: UUID, role: str) -> str:
    """Return the name of the model that a job's network becomes a version of.

    Args:
        given: the job's name; None: it has none.
        job: its id.
        role: which of its networks it is.
    """
    name = given or f"job-{str(job)[-12:]}"
    return name if role == StudentRole.DISTILLED else f"{name}-{role}"
