"""A driver that asks the Ray at an address for work of each kind; a line says how each has ended.

A process of its own: its code is another than that of Ray's workers.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from alambique.spec.job import Student
from alambique.spec.train import Resources, Train
from alambique.workers.cluster import Cluster, connect
from alambique.workers.fill_task import FillTask
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.search.trial_spec import Report, TrialSpec
from alambique.workers.search.tuning import SearchRun
from alambique.workers.training.spec import TeacherOutputs, TrainingSpec

ONE = Resources(workers=1, cpus=1)


class OneTrial:
    """A bench of one trial, which remembers how that ended."""

    def __init__(self, order: TrialSpec) -> None:
        self.error: BaseException | None = None
        self._left = [order]

    def next(self) -> TrialSpec | None:
        return self._left.pop() if self._left else None

    @property
    def exhausted(self) -> bool:
        return not self._left

    def on_report(self, number: int, report: Report) -> None:
        raise AssertionError(f"trial {number} has begun: {report}")

    def ended(self, number: int, error: BaseException | None) -> None:
        self.error = error

    def look(self) -> None:
        """Nothing to say meanwhile."""


def course(folder: Path) -> TrainingSpec:
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
    order = FillTask(
        task="named-entities",
        labels=("O",),
        teacher=folder / "teacher",
        examples=folder / "train.arrow",
        max_length=32,
        stride=8,
        outputs=TeacherOutputs(near=folder / "near", shared=False, **where),
    )
    cluster.fill(order, ONE, [[0], [1]], lambda computed: None)


def train(cluster: Cluster, folder: Path) -> None:
    cluster.train(course(folder), ONE)


def search(cluster: Cluster, folder: Path) -> None:
    order = TrialSpec(
        number=1,
        courses=(course(folder),),
        student=Student(layers=1),
        source=folder / "teacher",
        resources=None,
    )
    bench = OneTrial(order)
    tuning = SearchRun(
        scheduler="none", metric="loss", longest=1, resources=ONE, folder=folder / "search"
    )
    cluster.search(bench, tuning)
    if bench.error is not None:
        raise bench.error


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
