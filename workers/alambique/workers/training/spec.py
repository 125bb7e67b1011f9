"""A training run as a value: everything that decides its result, and where its files lie."""

import json
from pathlib import Path

from alambique.spec.fields import Spec
from alambique.spec.objective import Gold, Term
from alambique.spec.train import Train


class TeacherOutputs(Spec):
    """Where the outputs of a teacher are read from."""

    near: Path
    """The folder of the near tier on this machine."""
    shared: bool
    """Whether there is a shared tier. Its URL has a password and stays out of what is kept: the
    process that opens it knows it from its own environment."""
    teacher: str
    """The teacher's content hash, and what else makes its namespace."""
    tokenizer: str
    preprocessing: str
    dtype: str
    weight: float = 1.0
    """How much they count beside those of other teachers."""


class StepBudget(Spec):
    """A training of the distilled student, as far as it decides how many steps that takes."""

    train: Train
    unlabelled: Path | None = None
    """The examples without labels that it learns from beside the others."""


class TrainingSpec(Spec):
    """All that a training run is told. It travels to the workers as JSON."""

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
    """More training examples, of which nobody knows what is right."""
    pace: tuple[StepBudget, ...] = ()
    """The trainings that this one takes as many optimizer steps as, together: it passes over its
    own examples as often as that needs. Without any it takes the epochs of `train`."""
    teachers: tuple[TeacherOutputs, ...] = ()
    live_teacher: Path | None = None
    """The folder of the teacher that runs beside the student, where terms compare layers."""
    beginning: Path | None = None
    """A file of the `projection_heads` of another training, to go on with."""
    zero: int | None = None
    """The ZeRO stage; without one, plain PyTorch in one process."""
    folder: Path
    """Where checkpoints, the best weights and the progress go: one that every worker sees."""

    @property
    def best(self) -> Path:
        """The folder of the weights with the lowest validation loss, as `transformers` loads it."""
        return self.folder / "best"

    @property
    def progress(self) -> Path:
        """One JSON object a line: how the run gets on."""
        return self.folder / "progress.jsonl"

    @property
    def learned_maps(self) -> Path:
        """The layer maps that were learned, by the labels of their terms, at the best weights."""
        return self.folder / "learned_maps.json"

    @property
    def projection_heads(self) -> Path:
        """The weights that were trained beside the student, at its best weights, as safetensors."""
        return self.folder / "projection_heads.safetensors"

    def read_learned_maps(self) -> dict[str, tuple[tuple[float, ...], ...]]:
        """Return by label, for each layer of the student, the weight of each of the teacher's."""
        maps = json.loads(self.learned_maps.read_text())
        return {label: tuple(map(tuple, weights)) for label, weights in maps.items()}

    @property
    def outcome(self) -> Path:
        """Written last, when the run is over."""
        return self.folder / "outcome.json"
