"""Coordinates the trials of a search: proposes them, and records their progress in the registry.

It runs in the driver, which decides and records everything; the processes of trials only train.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from alambique.registry import trials
from alambique.registry.records import Trial
from alambique.registry.transitions import is_retryable
from alambique.spec.errors import BadSpec
from alambique.spec.search import Search
from alambique.spec.space import Axis, axes, trial_count
from alambique.spec.states import Reason, StageName, TrialState
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.records import StudentResult, TrainedModel
from alambique.workers.pipeline.stage import begin_stage, find_done, record_stage
from alambique.workers.search.sampling import past_trial, propose_trial
from alambique.workers.search.summary import SearchProgress
from alambique.workers.search.trial_job import SearchJob, TrialJob
from alambique.workers.training.progress import ProgressReader
from alambique.workers.training.spec import TrainingResult, read_result
from alambique.workers.training.trial import TrialReport, TrialSpec

_INTERVAL = 1.0
"""Seconds between two reports of the search's progress, and between two attempts at a lease."""


def is_unfinished(trial: Trial) -> bool:
    """Return whether the next attempt at the job resumes the trial."""
    return not trial.state.over or (trial.reason is not None and is_retryable(trial.reason))


def was_stopped(trial: Trial) -> bool:
    """Return whether the last report of the trial says that the scheduler stopped it."""
    return bool(trial.curve) and TrialReport.from_point(trial.curve[-1]).stopped


@dataclass
class ActiveTrial:
    """A trial that this attempt at the job runs, or will run once its lease is free."""

    number: int
    job: TrialJob
    started_at: float
    """By the coordinator's clock, in seconds."""
    curve: list[dict[str, float]]
    """A point for each reported epoch, those of earlier attempts included."""
    last_report: TrialReport | None = field(init=False)
    failure: TrialReport | None = field(init=False, default=None)
    """The report of a failure that a retry would only repeat."""
    _readers: dict[str, ProgressReader] = field(init=False, default_factory=dict)
    """The trainings' progress files, by the names of the trainings in the log."""

    def __post_init__(self) -> None:
        """Take the last report from the curve of an earlier attempt."""
        self.last_report = TrialReport.from_point(self.curve[-1]) if self.curve else None

    @property
    def is_stopped(self) -> bool:
        """Whether the scheduler stopped the trial, in this attempt or in an earlier one."""
        return self.last_report is not None and self.last_report.stopped

    @property
    def result(self) -> TrainingResult | None:
        """The result of its training; None while it runs, and where it was stopped."""
        return None if self.is_stopped else read_result(self.job.trainings[-1])

    @property
    def epochs(self) -> int:
        """The number of epochs that are over."""
        return self.last_report.epoch if self.last_report else 0

    @property
    def completed_fraction(self) -> float:
        """The part of its epochs that are over, from 0 to 1."""
        return min(1.0, self.epochs / self.job.context.job.train.epochs)

    def add_report(self, report: TrialReport) -> None:
        """Add a point to the curve; a trial whose training is over does not count as stopped."""
        at_end = report.stopped and read_result(self.job.trainings[-1]) is not None
        self.last_report = report = replace(report, stopped=report.stopped and not at_end)
        # a trial whose folder was deleted starts from scratch, and reports each epoch again
        self.curve = [point for point in self.curve if point["epoch"] < report.epoch]
        self.curve.append(report.point)

    def open_progress(self) -> None:
        """Open the progress files of its trainings, after what earlier attempts wrote there."""
        *first, last = self.job.trainings
        trainings = {f"trial {self.number}, first": training for training in first}
        trainings[f"trial {self.number}"] = last
        self._readers = {
            name: ProgressReader(training.progress) for name, training in trainings.items()
        }

    def new_epoch_lines(self) -> list[str]:
        """Return a line of the log for each epoch that has ended since the last call."""
        return [
            progress.epoch_line(name)
            for name, reader in self._readers.items()
            for progress in reader.read_new()
            if progress.validation is not None
        ]


@dataclass
class TrialCoordinator:
    """The trials of one search during one attempt at its job: a `TrialSource`."""

    search_job: SearchJob
    trials: dict[int, Trial]
    """The trials that the registry has, by their numbers."""
    clock: Callable[[], float] = time.monotonic
    _unfinished: list[Trial] = field(init=False)
    """Trials of an earlier attempt that this one resumes, in that order."""
    _axes: tuple[Axis, ...] = field(init=False)
    """The dimensions of the search."""
    _active: dict[int, ActiveTrial] = field(init=False, default_factory=dict)
    _blocked: ActiveTrial | None = field(init=False, default=None)
    """A trial that waits for another job, which trains the same student."""
    _prefetched: TrialSpec | None = field(init=False, default=None)
    """The next trial, if `prefetch_trial` has started it before Tune asks for it."""
    _reported: SearchProgress | None = field(init=False, default=None)
    """The progress that was reported last."""
    _started_at: float = field(init=False)
    """The time by the clock at which the coordinator was made."""
    _reported_at: float = field(init=False)
    """The time by the clock of the last report."""
    _lease_tried_at: float = field(init=False)
    """The time by the clock at which a lease was last asked for in vain."""
    _inherited_work: float = field(init=False)
    """The work of earlier attempts, in trials; it does not count for the speed of this attempt."""

    def __post_init__(self) -> None:
        """Queue unfinished trials, those that were stopped first: they need no process."""
        unfinished = [trial for trial in self.trials.values() if is_unfinished(trial)]
        self._unfinished = sorted(unfinished, key=was_stopped, reverse=True)
        self._axes = axes(self.search_job.job)
        self._started_at = self._reported_at = self._lease_tried_at = self.clock()
        self._inherited_work = self.progress.completed

    @property
    def search(self) -> Search:
        """The search as the job describes it."""
        assert self.search_job.job.search is not None
        return self.search_job.job.search

    @property
    def progress(self) -> SearchProgress:
        """The progress of the search."""
        return SearchProgress(
            dict(self.trials),
            {number: trial.completed_fraction for number, trial in self._active.items()},
            trial_count(self.search, self._axes),
        )

    @property
    def is_exhausted(self) -> bool:
        """Whether no other trial will be started."""
        is_full = len(self._active) >= self.search.concurrent
        waiting = self._unfinished or self._blocked or self._prefetched
        return not (is_full or waiting or self._propose_values())

    def prefetch_trial(self) -> None:
        """Start the first trial before Tune asks for it.

        Trials whose students another job has trained are recorded as finished: a search of such
        trials alone is exhausted then, and needs no cluster.
        """
        self._prefetched = self.next_trial()

    def next_trial(self) -> TrialSpec | None:
        """Start the next trial and return it; None if none may be started now.

        Trials whose students another job has trained are recorded as finished and skipped.
        """
        spec, self._prefetched = self._prefetched, None
        while spec is None and len(self._active) < self.search.concurrent:
            if self._blocked and self.clock() - self._lease_tried_at < _INTERVAL:
                return None
            trial = self._blocked or self._register_trial()
            if trial is None or not self._take_lease(trial):
                return None
            spec = self._start_trial(trial)
        return spec

    def record_report(self, number: int, report: TrialReport) -> None:
        """Record an epoch of a trial; a failure that it reports is recorded by `record_end`."""
        trial = self._active[number]
        self._log_epochs(trial)
        if report.error is not None:
            trial.failure = report
            return
        trial.add_report(report)
        context = self._context
        # where the database does not answer, the next epoch's write has the whole curve
        with suppress(SQLAlchemyError), context.database.write() as session:
            trials.record_progress(
                session,
                context.id,
                context.token,
                number,
                epochs=trial.epochs,
                metrics=self._last_scores(trial),
                curve=trial.curve,
            )

    def record_end(self, number: int, error: BaseException | None) -> None:
        """Record that a trial is over: finished, stopped early, or failed with an error."""
        trial = self._active.pop(number)
        try:
            self._log_epochs(trial)
            failure = trial.failure
            if error is not None and not trial.is_stopped:
                self._record_failure(number, reason_of(error), user_message(error), trial.epochs)
            elif failure is not None and failure.error is not None:
                reason = failure.reason or Reason.INTERNAL
                self._record_failure(number, reason, failure.error, trial.epochs)
            elif trial.result is None:
                self._record_stopped(trial)
            else:
                seconds = self.clock() - trial.started_at
                location = trial.job.location
                result = trial.job.stage.collect_result(trial.job.context, location.folder, seconds)
                result = record_stage(self._context, location, result)
                self._record_finished(trial, result.model)
        finally:
            self._context.leases.release([trial.job.location.lease])

    def report_progress(self) -> None:
        """Log the epochs that have ended and report the progress, at most once a second."""
        now = self.clock()
        if now - self._reported_at < _INTERVAL:
            return
        self._reported_at = now
        for trial in self._active.values():
            self._log_epochs(trial)
        progress = self.progress
        if progress == self._reported:
            return
        self._reported = progress
        goals = self.search.targets
        best = progress.best(goals[0])
        metrics = best.metrics if best else {}
        completed = progress.completed - self._inherited_work
        remaining = progress.total - progress.completed
        self._context.report(
            StageName.DISTIL,
            progress.completed_fraction,
            eta_seconds=((now - self._started_at) / completed * remaining if completed else None),
            loss=metrics.get("loss"),
            metric=metrics.get(self._primary),
            message=progress.message(goals),
        )

    @property
    def _context(self) -> JobContext:
        return self.search_job.context

    @property
    def _primary(self) -> str:
        """The name of the task's primary metric."""
        return self._context.task.primary

    @property
    def _next_number(self) -> int:
        return max(self.trials, default=0) + 1

    def _propose_values(self) -> dict[str, Any] | None:
        """Return the values of a new trial; None if every combination has been tried."""
        past = [past_trial(trial, self.search) for trial in self.trials.values()]
        seed = self.search_job.job.train.seed
        return propose_trial(self.search, self._axes, past, seed=seed, number=self._next_number)

    def _register_trial(self) -> ActiveTrial | None:
        """Write the next trial that can be trained to the registry, and return it.

        An unfinished trial of an earlier attempt comes before a new one. Trials that no job can
        have are recorded as failed, those that an earlier attempt stopped as stopped. None if
        there is no further trial.
        """
        while True:
            resumed = self._unfinished.pop(0) if self._unfinished else None
            number = resumed.number if resumed else self._next_number
            values = resumed.values if resumed else self._propose_values()
            if values is None:
                return None
            self._begin_trial(number, values)
            try:
                job = self.search_job.trial_job(values)
            except BadSpec as error:
                self._record_failure(number, Reason.BAD_SPEC, str(error))
                continue
            curve = [dict(point) for point in resumed.curve] if resumed else []
            trial = ActiveTrial(number, job, self.clock(), curve)
            if not trial.is_stopped:
                return trial
            self._record_stopped(trial)
            self._inherited_work += 1

    def _take_lease(self, trial: ActiveTrial) -> bool:
        """Take the lease of the trial's student and return True; else keep the trial as blocked."""
        if self._context.leases.take([trial.job.location.lease]):
            self._blocked = None
            return True
        if self._blocked is None:
            self._context.log(f"trial {trial.number}: another job is doing the same; it waits")
        self._blocked, self._lease_tried_at = trial, self.clock()
        return False

    def _start_trial(self, trial: ActiveTrial) -> TrialSpec | None:
        """Prepare the trial's folder and return its spec; None if its student exists already."""
        location = trial.job.location
        if done := find_done(self._context, location):
            self._context.log(f"trial {trial.number}: done before, by job {done.job_id}")
            student = StudentResult.model_validate(done.output).model
            self._record_finished(trial, student)
            self._context.leases.release([location.lease])
            return None
        begin_stage(location)
        trial.job.stage.record_outputs_code(trial.job.context, location.folder)
        trial.open_progress()
        self._active[trial.number] = trial
        self._inherited_work += trial.completed_fraction
        return trial.job.trial_spec(trial.number)

    def _log_epochs(self, trial: ActiveTrial) -> None:
        """Log the epochs of a trial that have ended since the last call."""
        if lines := trial.new_epoch_lines():
            self._context.log(*lines)

    def _record_finished(self, trial: ActiveTrial, student: TrainedModel) -> None:
        assert student.loss is not None  # only a teacher that came fine-tuned has none
        result = read_result(trial.job.trainings[-1])
        self._end_trial(
            trial.number,
            TrialState.FINISHED,
            epochs=result.epochs if result else 0,
            metrics={"loss": student.loss, self._primary: student.metric}
            | self.search_job.measure_costs(student.folder),
        )

    def _record_stopped(self, trial: ActiveTrial) -> None:
        # the untrained student has the shape of the trained one, and so its costs
        costs = self.search_job.measure_possible_costs(trial.job.trainings[0].start)
        metrics = self._last_scores(trial) | costs
        state = TrialState.STOPPED
        self._end_trial(trial.number, state, epochs=trial.epochs, metrics=metrics)

    def _record_failure(self, number: int, reason: Reason, error: str, epochs: int = 0) -> None:
        self._context.log(f"trial {number} failed: {error}")
        self._end_trial(
            number, TrialState.FAILED, epochs=epochs, metrics={}, reason=reason, error=error
        )

    def _last_scores(self, trial: ActiveTrial) -> dict[str, float]:
        """Return the scores of the trial's last report; none if it has reported nothing."""
        last = trial.last_report
        return {} if last is None else {"loss": last.loss, self._primary: last.metric}

    def _begin_trial(self, number: int, values: Mapping[str, Any]) -> None:
        """Write a trial to the registry as running, and keep what was written."""
        context = self._context
        self.trials[number] = context.write(
            lambda session: trials.begin(session, context.id, context.token, number, values)
        )

    def _end_trial(
        self,
        number: int,
        state: TrialState,
        *,
        epochs: int,
        metrics: Mapping[str, float],
        reason: Reason | None = None,
        error: str | None = None,
    ) -> None:
        """Write the end of a trial to the registry, and keep what was written."""
        context = self._context
        self.trials[number] = context.write(
            lambda session: trials.end(
                session,
                context.id,
                context.token,
                number,
                state,
                epochs=epochs,
                metrics=metrics,
                reason=reason,
                error=error,
            )
        )
