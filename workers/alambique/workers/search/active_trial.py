"""A trial that was begun, as the bench knows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from alambique.workers.search.trial_spec import Report
from alambique.workers.search.variants import Variant
from alambique.workers.training.progress import ProgressReader
from alambique.workers.training.result import TrainingResult, read_result
from alambique.workers.training.spec import TrainingSpec


@dataclass
class ActiveTrial:
    """A trial that was begun, and runs now or is about to."""

    number: int
    variant: Variant
    began: float
    curve: list[dict[str, float]]
    last: Report | None = field(init=False)
    failed: Report | None = field(init=False, default=None)
    _readers: dict[str, ProgressReader] = field(init=False, default_factory=dict)
    """By the name of a course in the log."""

    def __post_init__(self) -> None:
        """It stands where an earlier attempt has left it."""
        self.last = Report.of_point(self.curve[-1]) if self.curve else None

    @property
    def stopped(self) -> bool:
        """Whether the scheduler has stopped it, in this attempt at the job or in an earlier one."""
        return self.last is not None and self.last.stopped

    @property
    def outcome(self) -> TrainingResult | None:
        """How its run ended, where it has by itself."""
        return None if self.stopped else read_result(self.variant.courses[-1])

    @property
    def part(self) -> float:
        """Of its epochs, those that are done."""
        epochs = self.variant.work.job.train.epochs
        return 0.0 if self.last is None else min(1.0, self.last.epoch / epochs)

    def come(self, report: Report) -> None:
        """It has come so far; one that is at its end anyway is not stopped there."""
        over = report.stopped and read_result(self.variant.courses[-1]) is not None
        self.last = report = replace(report, stopped=report.stopped and not over)
        # one whose folder is gone begins anew, and comes to each epoch again
        self.curve = [point for point in self.curve if point["epoch"] < report.epoch]
        self.curve.append(report.point)

    def listen(self) -> None:
        """From here on its epochs are news; those of an earlier attempt are not."""
        named = _named(self.number, self.variant.courses)
        self._readers = {name: ProgressReader(course.progress) for name, course in named.items()}

    def news(self) -> list[str]:
        """A line of the log for each epoch that has ended since it was last asked."""
        return [
            progress.at_end(name)
            for name, reader in self._readers.items()
            for progress in reader.news()
            if progress.validation is not None
        ]


def _named(number: int, courses: Sequence[TrainingSpec]) -> dict[str, TrainingSpec]:
    *before, last = courses
    return {f"trial {number}, first": course for course in before} | {f"trial {number}": last}
