"""One trial: what its process is given, what it reports, and how it trains a student."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import torch.distributed as dist

from alambique.spec.fields import Spec
from alambique.spec.job import Student
from alambique.spec.states import Reason
from alambique.spec.train import Resources
from alambique.tasks.all import find
from alambique.workers.files import build_folder
from alambique.workers.training.checkpoints import TrainerState
from alambique.workers.training.distributed import distributed_context, join_group
from alambique.workers.training.initial_weights import write_student
from alambique.workers.training.layer_maps import resolve_maps
from alambique.workers.training.loop import train
from alambique.workers.training.result import TrainingResult, read_result, result_of
from alambique.workers.training.spec import TrainingSpec

Curve = Sequence[Mapping[str, float]]
"""The epoch, the loss and the metric of each report of a trial."""


class TrialSpec(Spec):
    """One trial: a student, and how it is trained. It travels as JSON."""

    number: int
    trainings: tuple[TrainingSpec, ...]
    """One after the other; the trial reports the last one, and is judged by it."""
    student: Student
    source: Path
    """The model that the untrained student is made of."""
    resources: Resources | None
    """Of a trial of several processes; None: the trial's own process trains."""


@dataclass(frozen=True, slots=True)
class TrialReport:
    """How far a trial is: the best of its epochs so far."""

    epoch: int
    """How many epochs are over."""
    loss: float
    metric: float
    reason: Reason | None = None
    """Why the trial failed, where another try would only fail again."""
    error: str | None = None
    """The message of that failure."""
    stopped: bool = False
    """The scheduler has stopped the trial here; its process does not know."""

    @classmethod
    def after_epoch(cls, state: TrainerState) -> "TrialReport":
        """Return the report of a training that goes on after an epoch."""
        assert state.best_loss is not None
        assert state.best_metric is not None
        return cls(state.epoch, state.best_loss, state.best_metric)

    @classmethod
    def at_end(cls, result: TrainingResult) -> "TrialReport":
        """Return the report of a training that is over."""
        return cls(result.epochs, result.best_loss, result.metric)

    @classmethod
    def from_point(cls, point: Mapping[str, float]) -> "TrialReport":
        """Return the report that a point of a curve was made of; NaN where JSON has no number."""
        loss, metric = (point.get(name, math.nan) for name in ("loss", "metric"))
        return cls(int(point["epoch"]), loss, metric, stopped="stopped" in point)

    @property
    def point(self) -> dict[str, float]:
        """The point that the report adds to the trial's curve."""
        numbers = {"epoch": self.epoch, "loss": self.loss, "metric": self.metric}
        return numbers | ({"stopped": 1.0} if self.stopped else {})

    def as_dict(self) -> dict[str, Any]:
        """Return the report as Tune carries it."""
        return asdict(self)


class TrialSource(Protocol):
    """Gives trials to whoever runs them, and is told how they go. No call may take long."""

    @property
    def is_exhausted(self) -> bool:
        """Whether no other trial will be started."""

    def next_trial(self) -> TrialSpec | None:
        """Return a trial to start, if one may be started now."""

    def record_report(self, number: int, report: TrialReport) -> None:
        """Take note of how far a trial is."""

    def record_end(self, number: int, error: BaseException | None) -> None:
        """Take note that a trial is over: at its end, stopped early, or failed with an error."""

    def report_progress(self) -> None:
        """Tell everybody how far the search is; called again and again."""


@dataclass(frozen=True)
class SearchRun:
    """How the trials of a search are run."""

    scheduler: Literal["asha", "hyperband", "none"]
    metric: Literal["loss", "metric"]
    """The field of reports by which the scheduler compares trials."""
    max_epochs: int
    """Epochs of the longest trial."""
    resources: Resources
    """Of each trial."""
    folder: Path
    """Where Tune writes; private to this attempt at the job, for some of it is pickle."""
    ended: Mapping[int, Curve] = field(default_factory=dict)
    """The curves of trials that an earlier attempt has ended, by their numbers."""
    resumed: Mapping[int, Curve] = field(default_factory=dict)
    """The curves of trials that this attempt goes on with, by their numbers."""


def run_trial(
    spec: TrialSpec, report: Callable[[TrialReport], None], *, redis: str | None = None
) -> None:
    """Run a trial of one process to its end, from where an earlier attempt has left it.

    Args:
        spec: the trial.
        report: called after each epoch of the last training and at its end; it may never return.
        redis: the URL of the shared tier of teacher outputs.
    """

    def report_epoch(state: TrainerState) -> None:
        report(TrialReport.after_epoch(state))

    write_start(spec)
    last = spec.trainings[-1]
    for training in unfinished_trainings(spec):
        if training.zero is not None and not dist.is_initialized():
            _make_group_of_one()
        train(
            resolve_maps(training),
            distributed_context(),
            report_epoch if training is last else None,
            redis=redis,
        )
    report(TrialReport.at_end(result_of(last)))


def unfinished_trainings(spec: TrialSpec) -> list[TrainingSpec]:
    """Return the trainings of a trial that are not over yet."""
    return [training for training in spec.trainings if read_result(training) is None]


def write_start(spec: TrialSpec) -> None:
    """Write the untrained student of a trial where it is not there, and make its run folders."""
    first, last = spec.trainings[0], spec.trainings[-1]
    write = partial(
        write_student,
        spec.student,
        spec.source,
        find(first.task).output,
        first.labels,
        seed=last.train.seed,
    )
    build_folder(first.start, write)
    for training in spec.trainings:
        training.folder.mkdir(parents=True, exist_ok=True)


def _make_group_of_one() -> None:
    """Make a group of this process alone, which DeepSpeed wants; its store needs no port."""
    os.environ.update({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"})
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    store = dist.HashStore()  # type: ignore[attr-defined]  # public, and left out of its stubs
    dist.init_process_group(backend, store=store, rank=0, world_size=1)
    join_group()
