"""What processes of a job compute, as values that travel as JSON: trainings, teacher outputs.

A training leaves its result as a file, which is a `TrainingResult`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from alambique.spec.errors import LostWorker
from alambique.spec.fields import Spec
from alambique.spec.objective import Gold, Term
from alambique.spec.train import Train


class OutputsLocation(Spec):
    """Where the outputs of a teacher are read from."""

    near: Path
    """The folder of the near tier on this machine."""
    shared: bool
    """Whether there is a shared tier. Its URL has a password and stays out of what is kept: the
    process that opens it knows it from its own environment."""
    teacher: str
    """The hash of its weights, then its classes in the order of the outputs; with the next three
    it makes the namespace of the outputs."""
    tokenizer: str
    preprocessing: str
    dtype: str
    weight: float = 1.0
    """The weight of this teacher among several."""


class FillTask(Spec):
    """Which teacher answers which examples, into which store. It travels as JSON."""

    task: str
    labels: tuple[str, ...]
    teacher: Path
    examples: Path
    unlabelled: Path | None = None
    """More of them, without labels."""
    max_length: int
    stride: int
    outputs: OutputsLocation


class StepBudget(Spec):
    """What the number of steps of a training of the distilled student depends on."""

    train: Train
    unlabelled: Path | None = None
    """The file of examples without labels that it learns from too."""


class TrainingSpec(Spec):
    """All that decides a training run, and where its files are. It travels as JSON."""

    task: str
    labels: tuple[str, ...]
    start: Path
    """A folder with the weights and the tokenizer that the run begins with."""
    training: Path
    """A file of examples, like `validation`."""
    validation: Path
    train: Train
    objective: tuple[Term, ...] = (Gold(),)
    unlabelled: Path | None = None
    """More training examples, without labels."""
    step_budgets: tuple[StepBudget, ...] = ()
    """Trainings whose optimizer steps, added up, are those of this one, in as many passes over its
    own examples as that takes. Without any, the epochs of `train` decide."""
    teachers: tuple[OutputsLocation, ...] = ()
    live_teacher: Path | None = None
    """The folder of the live teacher, which answers each batch where terms compare layers."""
    beginning: Path | None = None
    """The file `projection_heads` of another run: projections and layer maps to begin with."""
    zero: int | None = None
    """The ZeRO stage; without one, plain PyTorch in one process."""
    folder: Path
    """Where checkpoints, best weights and progress are written: a folder that every worker sees."""

    @property
    def best(self) -> Path:
        """The folder of the weights with the lowest validation loss, as `transformers` loads it."""
        return self.folder / "best"

    @property
    def progress(self) -> Path:
        """The file of progress: one JSON object a line."""
        return self.folder / "progress.jsonl"

    @property
    def learned_maps(self) -> Path:
        """The file of the learnt layer maps by the label of their term, as at the best weights."""
        return self.folder / "learned_maps.json"

    @property
    def projection_heads(self) -> Path:
        """The file of the projection heads and layer maps that belong to the best weights."""
        return self.folder / "projection_heads.safetensors"

    def read_learned_maps(self) -> dict[str, tuple[tuple[float, ...], ...]]:
        """Return, for each layer of the student, how much each layer of the teacher counts."""
        maps = json.loads(self.learned_maps.read_text())
        return {label: tuple(map(tuple, weights)) for label, weights in maps.items()}

    @property
    def result(self) -> Path:
        """The file of the `TrainingResult`, which is written last."""
        return self.folder / "result.json"


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The length of a training run, and the scores of its best weights."""

    epochs: int
    """The number of completed epochs."""
    steps: int
    """Optimizer steps up to the end of the last completed epoch."""
    best_epoch: int
    """Counted from 0; its weights are in `TrainingSpec.best`."""
    best_loss: float
    """The validation loss of the best epoch; see `validation.Validation`."""
    metric: float
    """The task's primary metric on the validation examples at the best epoch."""
    diverged: bool = False
    """Whether a loss stopped being finite; the best weights are from before."""


def result_of(spec: TrainingSpec) -> TrainingResult:
    """Return the result of a run that is over.

    Raises:
        LostWorker: the run left no result.
    """
    if result := read_result(spec):
        return result
    raise LostWorker(
        f"the training in {spec.folder.name} ended without a result: the next attempt resumes it "
        "from its last checkpoint"
    )


def read_result(spec: TrainingSpec) -> TrainingResult | None:
    """Return the result of a run; None while the run is not over."""
    if not spec.result.exists():
        return None
    return TrainingResult(**json.loads(spec.result.read_text()))
