"""One trial of a search: its spec, its reports, and the run that trains its student."""

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
from alambique.workers.training.spec import TrainingResult, TrainingSpec, read_result, result_of

Curve = Sequence[Mapping[str, float]]
"""A point for each report of a trial: its epoch, loss and metric."""


class TrialSpec(Spec):
    """A student and its trainings, as the process of a trial receives them: as JSON."""

    number: int
    trainings: tuple[TrainingSpec, ...]
    """They run one after the other; reports and scores are those of the last one."""
    student: Student
    source_folder: Path
    """The folder of the model that the untrained student is made of."""
    resources: Resources | None
    """Of a trial of several processes; None: the trial's own process trains."""


@dataclass(frozen=True, slots=True)
class TrialReport:
    """The progress of a trial, with the loss and the metric of its best epoch so far."""

    epoch: int
    """The number of epochs that are over."""
    loss: float
    metric: float
    reason: Reason | None = None
    """Why the trial failed, if a retry would only fail again."""
    error: str | None = None
    """The message of that failure."""
    stopped: bool = False
    """Whether the scheduler stops the trial after this report; its process never sets it."""

    @classmethod
    def after_epoch(cls, state: TrainerState) -> "TrialReport":
        """Return the report of a training after an epoch that is not its last."""
        assert state.best_loss is not None
        assert state.best_metric is not None
        return cls(state.epoch, state.best_loss, state.best_metric)

    @classmethod
    def at_end(cls, result: TrainingResult) -> "TrialReport":
        """Return the report of a training that is over."""
        return cls(result.epochs, result.best_loss, result.metric)

    @classmethod
    def from_point(cls, point: Mapping[str, float]) -> "TrialReport":
        """Return the report that a point of a curve was made from; JSON has no NaN and lacks it."""
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
    """Provides the trials of a search, and records how they go; every call returns quickly."""

    @property
    def is_exhausted(self) -> bool:
        """Whether no other trial will be started."""

    def next_trial(self) -> TrialSpec | None:
        """Return the next trial to run; None if none may be started now."""

    def record_report(self, number: int, report: TrialReport) -> None:
        """Record a report of a trial."""

    def record_end(self, number: int, error: BaseException | None) -> None:
        """Record that a trial is over: finished, stopped early, or failed with an error."""

    def report_progress(self) -> None:
        """Report the progress of the search; is called after every step of Tune."""


@dataclass(frozen=True)
class SearchRun:
    """The settings that the trials of a search are run with."""

    scheduler: Literal["asha", "hyperband", "none"]
    metric: Literal["loss", "metric"]
    """The field of reports by which the scheduler compares trials."""
    max_epochs: int
    """The epochs of the longest trial."""
    resources: Resources
    """The resources of each trial."""
    folder: Path
    """The folder that Tune writes to, some of it pickle: private to this attempt at the job."""
    ended: Mapping[int, Curve] = field(default_factory=dict)
    """The curves of trials that an earlier attempt has ended, by their numbers."""
    resumed: Mapping[int, Curve] = field(default_factory=dict)
    """The curves of trials that this attempt resumes, by their numbers."""


def run_trial(
    spec: TrialSpec, report: Callable[[TrialReport], None], *, redis: str | None = None
) -> None:
    """Run a trial of one process to its end, from where an earlier attempt has left it.

    Args:
        spec: the trial.
        report: is called after each epoch of the last training, and at its end; Tune may end the
            process in it.
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
    """Write the untrained student of a trial if it is missing, and make its run folders."""
    first, last = spec.trainings[0], spec.trainings[-1]
    write = partial(
        write_student,
        spec.student,
        spec.source_folder,
        find(first.task).output,
        first.labels,
        seed=last.train.seed,
    )
    build_folder(first.start, write)
    for training in spec.trainings:
        training.folder.mkdir(parents=True, exist_ok=True)


def _make_group_of_one() -> None:
    """Make the process group of one that DeepSpeed requires, with a store that opens no port."""
    os.environ.update({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"})
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    store = dist.HashStore()  # type: ignore[attr-defined]  # public, and left out of its stubs
    dist.init_process_group(backend, store=store, rank=0, world_size=1)
    join_group()
