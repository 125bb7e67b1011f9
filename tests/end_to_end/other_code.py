"""A driver that asks the Ray at an address for work of each kind; a line says how each has ended.

A process of its own: its code is another than that of Ray's workers.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from alambique.spec.job import Student
from alambique.spec.train import Resources, Train
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.ray.cluster import Cluster
from alambique.workers.ray.connection import connect
from alambique.workers.training.spec import FillTask, OutputsLocation, TrainingSpec
from alambique.workers.training.trial import SearchRun, TrialReport, TrialSpec

ONE = Resources(workers=1, cpus=1)


class OneTrial:
    """A source of one trial, which remembers how that ended."""

    def __init__(self, trial: TrialSpec) -> None:
        self.error: BaseException | None = None
        self._left = [trial]

    def next_trial(self) -> TrialSpec | None:
        return self._left.pop() if self._left else None

    @property
    def is_exhausted(self) -> bool:
        return not self._left

    def record_report(self, number: int, report: TrialReport) -> None:
        raise AssertionError(f"trial {number} has begun: {report}")

    def record_end(self, number: int, error: BaseException | None) -> None:
        self.error = error

    def report_progress(self) -> None:
        """Nothing to say meanwhile."""


def training_spec(folder: Path) -> TrainingSpec:
    """What nobody reads: it is of files that are not there."""
    return TrainingSpec(
        task="named-entities",
        labels=("O",),
        start=folder / "start",
        training=folder / "train.arrow",
        validation=folder / "dev.arrow",
        train=Train(),
        zero=0,
        folder=folder / "run",
    )


def fill(cluster: Cluster, folder: Path) -> None:
    where = {"teacher": "t", "tokenizer": "k", "preprocessing": "1", "dtype": "fp32"}
    task = FillTask(
        task="named-entities",
        labels=("O",),
        teacher=folder / "teacher",
        examples=folder / "train.arrow",
        max_length=32,
        stride=8,
        outputs=OutputsLocation(near=folder / "near", shared=False, **where),
    )
    cluster.fill(task, ONE, [[0], [1]], lambda computed: None)


def train(cluster: Cluster, folder: Path) -> None:
    cluster.train(training_spec(folder), ONE)


def search(cluster: Cluster, folder: Path) -> None:
    trial = TrialSpec(
        number=1,
        trainings=(training_spec(folder),),
        student=Student(layers=1),
        source_folder=folder / "teacher",
        resources=None,
    )
    source = OneTrial(trial)
    run = SearchRun(
        scheduler="none", metric="loss", max_epochs=1, resources=ONE, folder=folder / "search"
    )
    cluster.run_trials(source, run)
    if source.error is not None:
        raise source.error


def end_of(work: Callable[[Cluster, Path], None], cluster: Cluster, folder: Path) -> list[str]:
    """The reason and the message of a failure; nothing where there was none."""
    try:
        work(cluster, folder)
    except Exception as error:
        return [reason_of(error), user_message(error)]
    return []


if __name__ == "__main__":
    address, folder = sys.argv[1], Path(sys.argv[2])
    with connect(address) as cluster:
        for work in (fill, train, search):
            sys.stdout.write(json.dumps([work.__name__, *end_of(work, cluster, folder)]) + "\n")
