"""Trainings of a job: where they run, and their progress while they do."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from alambique.spec.train import Resources
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.training.distributed import distributed_context
from alambique.workers.training.loop import train
from alambique.workers.training.progress import Progress, ProgressReader
from alambique.workers.training.spec import TrainingResult, TrainingSpec, read_result, result_of

_EVERY = 1.0
"""Seconds between two looks at the progress of a training."""


def run_training(
    context: JobContext, training: TrainingSpec, part: StagePart, resources: Resources | None
) -> TrainingResult:
    """Return the result of a training, run now unless an earlier attempt has run it to its end.

    Args:
        context: the job.
        training: what to run; its folder may hold a checkpoint to go on from.
        part: where its progress is shown.
        resources: how many workers on Ray; None: in this process.

    Raises:
        LostWorker: the training left no result.
    """
    if result := read_result(training):
        return result
    training.folder.mkdir(parents=True, exist_ok=True)
    with _report_progress(context, training, part):
        if resources is None:
            train(training, distributed_context(), redis=context.settings.redis)
        else:
            with context.connect() as cluster:
                cluster.train(training, resources)
    result = result_of(training)
    if result.diverged:
        context.log(
            f"{part.name}: a loss stopped being finite after {result.steps} steps; "
            f"kept the weights of epoch {result.best_epoch + 1}"
        )
    return result


def ray_workers(resources: Resources, *, distilled: bool) -> Resources | None:
    """Return the workers on Ray that a training takes; None: it runs in the driver's process.

    On Ray runs what the job distils, if it asks for several workers, and whatever needs GPUs.
    """
    is_small = resources.workers == 1 and not resources.gpus
    if is_small or not (distilled or resources.gpus):
        return None
    return resources


def process_inputs(resources: Resources, *, distilled: bool) -> list[int] | None:
    """Return what decides the rounding of a training: its workers and its ZeRO stage.

    None: it runs in one process.
    """
    workers = ray_workers(resources, distilled=distilled)
    return [workers.workers, workers.zero] if workers else None


@contextmanager
def _report_progress(
    context: JobContext, training: TrainingSpec, part: StagePart
) -> Iterator[None]:
    """Report the progress of a training from a thread of its own, while the block runs it."""
    over = threading.Event()
    reporter = _ProgressReporter(context, part, ProgressReader(training.progress))
    thread = threading.Thread(target=reporter.run, args=(over,), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass
class _ProgressReporter:
    """Logs the epochs of a training and reports its steps, from the file that it writes."""

    context: JobContext
    part: StagePart
    reader: ProgressReader
    first: Progress | None = None
    """The first step that was seen, from which the time left is estimated."""
    metric: float | None = None
    """The primary metric after the last epoch."""

    def run(self, over: threading.Event) -> None:
        """Report what is new every second until the training is over, and once more then."""
        is_last = False
        while not is_last:
            is_last = over.wait(_EVERY)
            for progress in self.reader.read_new():
                self._report(progress)

    def _report(self, progress: Progress) -> None:
        self.first = self.first or progress
        if progress.metric is not None:
            self.metric = progress.metric
        if progress.validation is not None:
            self.context.log(progress.epoch_line(self.part.name))
        epoch = "" if progress.validation is None else f", validation {progress.validation:.4f}"
        terms = f" ({progress.by_term})" if len(progress.terms) > 1 else ""
        step = f"step {progress.done} of {progress.total}"
        self.context.report(
            self.part.stage,
            self.part.fraction(progress.done / progress.total),
            eta_seconds=_seconds_left(self.first, progress),
            loss=progress.loss,
            metric=self.metric,
            message=f"{self.part.name}: {step}{terms}{epoch}",
        )


def _seconds_left(first: Progress, now: Progress) -> float | None:
    """Return the estimated seconds until the last step, if no patience ends the training before."""
    if now.done <= first.done:
        return None
    return (now.at - first.at) / (now.done - first.done) * (now.total - now.done)
