"""Running a course for a job: here or on Ray, with its progress told while it runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from alambique.spec.errors import LostWorker
from alambique.spec.states import StageName
from alambique.spec.train import Resources
from alambique.workers.pipeline.context import JobContext
from alambique.workers.training.distributed import distributed_context
from alambique.workers.training.loop import train
from alambique.workers.training.progress import Progress, ProgressReader
from alambique.workers.training.result import TrainingResult, read_result
from alambique.workers.training.spec import TrainingSpec

_EVERY = 1.0
"""Seconds between two looks at the progress of a run."""


@dataclass(frozen=True, slots=True)
class StagePart:
    """Which part of a stage a run is: the `number`-th of `of`, from 0, with a name to show."""

    stage: StageName
    name: str
    number: int = 0
    of: int = 1

    @property
    def end(self) -> float:
        """How far the stage is once this part is over."""
        return (self.number + 1) / self.of


def run_training(
    work: JobContext, course: TrainingSpec, part: StagePart, resources: Resources | None
) -> TrainingResult:
    """The outcome of a course: run now, or before by an earlier attempt.

    Args:
        work: the job.
        course: what to run; its folder may hold a checkpoint to go on from.
        part: where its progress belongs.
        resources: how many workers on Ray; None: in this process.
    """
    if over := read_result(course):
        return over
    course.folder.mkdir(parents=True, exist_ok=True)
    with _watched(work, course, part):
        if resources is None:
            train(course, distributed_context(), redis=work.settings.redis)
        else:
            with work.cluster() as cluster:
                cluster.train(course, resources)
    outcome = read_result(course)
    if outcome is None:
        raise LostWorker(f"{part.name}: training ended without an outcome")
    if outcome.diverged:
        work.log(
            f"{part.name}: a loss stopped being finite after {outcome.steps} steps; "
            f"kept the weights of epoch {outcome.best_epoch + 1}"
        )
    return outcome


def placement(resources: Resources, *, distilled: bool) -> Resources | None:
    """Where a run goes: on Ray if it is the distilled student's, or if it needs GPUs."""
    alone = resources.workers == 1 and not resources.gpus
    if alone or not (distilled or resources.gpus):
        return None
    return resources


def processes(resources: Resources, *, distilled: bool) -> list[int] | None:
    """What of a run's placement decides its rounding: workers and ZeRO stage; None: one process."""
    placed_on = placement(resources, distilled=distilled)
    return [placed_on.workers, placed_on.zero] if placed_on else None


@contextmanager
def _watched(work: JobContext, course: TrainingSpec, part: StagePart) -> Iterator[None]:
    over = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(work, course, part, over), name="progress", daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(work: JobContext, course: TrainingSpec, part: StagePart, over: threading.Event) -> None:
    reader = ProgressReader(course.progress)
    pace = _Pace()
    metric: float | None = None
    last = False
    while not last:
        last = over.wait(_EVERY)  # and one more look after the end
        for progress in reader.news():
            metric = progress.metric if progress.metric is not None else metric
            if progress.validation is not None:
                work.log(progress.at_end(part.name))
            pace = pace.after(progress)
            _tell(work, part, replace(progress, metric=metric), pace.left(progress))


def _tell(work: JobContext, part: StagePart, progress: Progress, left: float | None) -> None:
    epoch = "" if progress.validation is None else f", validation {progress.validation:.4f}"
    terms = f" ({progress.by_term})" if len(progress.terms) > 1 else ""
    work.report(
        part.stage,
        (part.number + progress.done / progress.total) / part.of,
        eta_seconds=left,
        loss=progress.loss,
        metric=progress.metric,
        message=f"{part.name}: step {progress.done} of {progress.total}{terms}{epoch}",
    )


@dataclass(frozen=True, slots=True)
class _Pace:
    """How fast steps go, from the first report that was seen."""

    first: Progress | None = None

    def after(self, progress: Progress) -> "_Pace":
        return self if self.first else _Pace(progress)

    def left(self, progress: Progress) -> float | None:
        """Seconds until the last step, if no patience ends the run before."""
        if self.first is None or progress.done <= self.first.done:
            return None
        each = (progress.at - self.first.at) / (progress.done - self.first.done)
        return each * (progress.total - progress.done)
