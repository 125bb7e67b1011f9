"""Coordinates the trials of a search: proposes them, and records in the registry how they go.

Everything is decided and remembered here, in the driver; the processes of trials only train.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from alambique.registry import trials
from alambique.registry.records import Trial
from alambique.registry.transitions import is_retryable
from alambique.spec.errors import BadSpec
from alambique.spec.search import Search
from alambique.spec.space import axes, trial_count
from alambique.spec.states import Reason, StageName, TrialState
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.records import StudentResult, TrainedModel
from alambique.workers.pipeline.stage import begin_stage, find_done, record_stage
from alambique.workers.search.sampling import past_trial, propose_trial
from alambique.workers.search.summary import SearchProgress
from alambique.workers.search.trial_job import SearchInputs, TrialJob
from alambique.workers.training.progress import ProgressReader
from alambique.workers.training.result import TrainingResult, read_result
from alambique.workers.training.trial import TrialReport, TrialSpec

_INTERVAL = 1.0
"""Seconds between two reports of how far the search is, and between two tries to take a lease."""


def is_unfinished(trial: Trial) -> bool:
    """Return whether another attempt at the job goes on with the trial."""
    return not trial.state.over or (trial.reason is not None and is_retryable(trial.reason))


def has_been_stopped(trial: Trial) -> bool:
    """Return whether the scheduler of an earlier attempt stopped the trial, maybe at its end."""
    return bool(trial.curve) and TrialReport.from_point(trial.curve[-1]).stopped


@dataclass
class ActiveTrial:
    """A trial that has begun, and runs now or is about to."""

    number: int
    job: TrialJob
    began: float
    """When, by the coordinator's clock."""
    curve: list[dict[str, float]]
    """A point for each epoch that it has reported, in earlier attempts too."""
    last_report: TrialReport | None = field(init=False)
    failure: TrialReport | None = field(init=False, default=None)
    """The report of a failure that another try would only repeat."""
    _readers: dict[str, ProgressReader] = field(init=False, default_factory=dict)
    """By the name of a training in the log."""

    def __post_init__(self) -> None:
        """Take the last report from the curve that an earlier attempt has left."""
        self.last_report = TrialReport.from_point(self.curve[-1]) if self.curve else None

    @property
    def is_stopped(self) -> bool:
        """Whether the scheduler has stopped it, in this attempt at the job or in an earlier one."""
        return self.last_report is not None and self.last_report.stopped

    @property
    def result(self) -> TrainingResult | None:
        """How its training ended, where it has by itself."""
        return None if self.is_stopped else read_result(self.job.trainings[-1])

    @property
    def epochs(self) -> int:
        """How many of its epochs are over."""
        return self.last_report.epoch if self.last_report else 0

    @property
    def fraction(self) -> float:
        """The part of its epochs that are over."""
        return min(1.0, self.epochs / self.job.context.job.train.epochs)

    def add_report(self, report: TrialReport) -> None:
        """Add a point to the curve; a trial that is at its end anyway is not stopped there."""
        at_end = report.stopped and read_result(self.job.trainings[-1]) is not None
        self.last_report = report = replace(report, stopped=report.stopped and not at_end)
        # one whose folder is gone begins anew, and comes to each epoch again
        self.curve = [point for point in self.curve if point["epoch"] < report.epoch]
        self.curve.append(report.point)

    def open_progress(self) -> None:
        """Begin to read the progress of its trainings: what earlier attempts wrote is skipped."""
        *before, last = self.job.trainings
        named = {f"trial {self.number}, first": training for training in before}
        named[f"trial {self.number}"] = last
        self._readers = {name: ProgressReader(its.progress) for name, its in named.items()}

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
    """The trials of one search, in one attempt at its job: the `TrialSource` of that search."""

    inputs: SearchInputs
    trials: dict[int, Trial]
    """By their numbers, those that the registry has."""
    clock: Callable[[], float] = time.monotonic
    _left: list[Trial] = field(init=False)
    """Trials of an earlier attempt that are to be gone on with."""
    _active: dict[int, ActiveTrial] = field(init=False, default_factory=dict)
    _blocked: ActiveTrial | None = field(init=False, default=None)
    """A trial that has begun while another job is training the same student."""
    _prepared: TrialSpec | None = field(init=False, default=None)
    """The next trial, where it had to be known before Tune asks for it."""
    _reported: SearchProgress | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Put what an earlier attempt has left first, before that what was stopped there."""
        left = [trial for trial in self.trials.values() if is_unfinished(trial)]
        self._left = sorted(left, key=has_been_stopped, reverse=True)
        self._axes = axes(self.inputs.job)
        self._began = self._reported_at = self._tried_at = self.clock()
        self._done_before = self.progress.done
        """Trials' worth of work that is done and says nothing of the pace of this attempt."""

    @property
    def search(self) -> Search:
        """What the job says of the search."""
        assert self.inputs.job.search is not None
        return self.inputs.job.search

    @property
    def progress(self) -> SearchProgress:
        """How far the search is."""
        return SearchProgress(
            dict(self.trials),
            {number: trial.fraction for number, trial in self._active.items()},
            trial_count(self.search, self._axes),
        )

    @property
    def is_exhausted(self) -> bool:
        """Whether no other trial will be started."""
        full = len(self._active) >= self.search.concurrent
        waiting = self._left or self._blocked or self._prepared
        return not (full or waiting or self._propose_values())

    def has_work(self) -> bool:
        """Return whether any trial is left that is not done already; done ones are recorded."""
        self._prepared = self.next_trial()
        return not self.is_exhausted

    def next_trial(self) -> TrialSpec | None:
        """Return a trial to start, if one may be started now.

        Trials whose students another job has trained already are recorded on the way.
        """
        spec, self._prepared = self._prepared, None
        while spec is None and len(self._active) < self.search.concurrent:
            if self._blocked and self.clock() - self._tried_at < _INTERVAL:
                return None
            trial = self._blocked or self._begin_trial()
            if trial is None or not self._take_lease(trial):
                return None
            spec = self._start_trial(trial)
        return spec

    def record_report(self, number: int, report: TrialReport) -> None:
        """Record an epoch of a trial, or keep the failure that it reports until its end."""
        trial = self._active[number]
        self._log_epochs(trial)
        if report.error is not None:
            trial.failure = report
            return
        trial.add_report(report)
        context = self._context
        # a database that does not answer now is told with the next epoch
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
        """Record the end of a trial: at its end, stopped early, or failed with an error."""
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
                seconds = self.clock() - trial.began
                location = trial.job.location
                result = trial.job.stage.collect_result(trial.job.context, location.folder, seconds)
                result = record_stage(self._context, location, result)
                self._record_finished(trial, result.model)
        finally:
            self._context.leases.release([trial.job.location.lease])

    def report_progress(self) -> None:
        """Log epochs that have ended and report how far the search is, once in a while."""
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
        done = progress.done - self._done_before
        left = progress.of - progress.done
        self._context.report(
            StageName.DISTIL,
            progress.fraction,
            eta_seconds=(now - self._began) / done * left if done else None,
            loss=metrics.get("loss"),
            metric=metrics.get(self._primary),
            message=progress.message(goals),
        )

    @property
    def _context(self) -> JobContext:
        return self.inputs.context

    @property
    def _primary(self) -> str:
        """The name of the task's primary metric."""
        return self._context.task.primary

    @property
    def _next_number(self) -> int:
        return max(self.trials, default=0) + 1

    def _propose_values(self) -> dict[str, Any] | None:
        """Return the values of a new trial; None where everything has been tried."""
        past = [past_trial(trial, self.search) for trial in self.trials.values()]
        seed = self.inputs.job.train.seed
        return propose_trial(self.search, self._axes, past, seed=seed, number=self._next_number)

    def _begin_trial(self) -> ActiveTrial | None:
        """Begin the next trial that can be trained, and return it; None where there is none.

        Those before it that cannot be, or that an earlier attempt has stopped, are recorded.
        """
        while True:
            left = self._left.pop(0) if self._left else None
            number = left.number if left else self._next_number
            values = left.values if left else self._propose_values()
            if values is None:
                return None
            self._write(trials.begin, number, values)
            try:
                job = self.inputs.trial_job(values)
            except BadSpec as error:
                self._record_failure(number, Reason.BAD_SPEC, str(error))
                continue
            curve = [dict(point) for point in left.curve] if left else []
            trial = ActiveTrial(number, job, self.clock(), curve)
            if not trial.is_stopped:
                return trial
            self._record_stopped(trial)
            self._done_before += 1

    def _take_lease(self, trial: ActiveTrial) -> bool:
        """Return whether this job may train the trial's student now; else the trial is blocked."""
        if self._context.leases.take([trial.job.location.lease]):
            self._blocked = None
            return True
        if self._blocked is None:
            self._context.log(f"trial {trial.number}: another job is doing the same; it waits")
        self._blocked, self._tried_at = trial, self.clock()
        return False

    def _start_trial(self, trial: ActiveTrial) -> TrialSpec | None:
        """Return what the trial's process is given; None where its student is there already."""
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
        self._done_before += trial.fraction
        return trial.job.trial_spec(trial.number)

    def _log_epochs(self, trial: ActiveTrial) -> None:
        """Log the epochs of a trial that have ended since the last call."""
        if lines := trial.new_epoch_lines():
            self._context.log(*lines)

    def _record_finished(self, trial: ActiveTrial, student: TrainedModel) -> None:
        assert student.loss is not None  # of a student; a teacher may come fine-tuned
        result = read_result(trial.job.trainings[-1])
        self._write(
            trials.end,
            trial.number,
            TrialState.FINISHED,
            epochs=result.epochs if result else 0,
            metrics={"loss": student.loss, self._primary: student.metric}
            | self.inputs.measure_costs(student.folder),
        )

    def _record_stopped(self, trial: ActiveTrial) -> None:
        # a start has the shape of its student, and so its costs
        costs = self.inputs.measure_possible_costs(trial.job.trainings[0].start)
        metrics = self._last_scores(trial) | costs
        state = TrialState.STOPPED
        self._write(trials.end, trial.number, state, epochs=trial.epochs, metrics=metrics)

    def _record_failure(self, number: int, reason: Reason, error: str, epochs: int = 0) -> None:
        self._context.log(f"trial {number} failed: {error}")
        self._write(
            trials.end,
            number,
            TrialState.FAILED,
            epochs=epochs,
            metrics={},
            reason=reason,
            error=error,
        )

    def _last_scores(self, trial: ActiveTrial) -> dict[str, float]:
        """Return what the trial has reported last; nothing, where it has reported nothing."""
        last = trial.last_report
        return {} if last is None else {"loss": last.loss, self._primary: last.metric}

    def _write(
        self, change: Callable[..., Trial], number: int, *values: Any, **fields: Any
    ) -> None:
        """Change a trial in the registry under the lease of the job, and keep what it is now."""
        context = self._context
        self.trials[number] = context.write(
            lambda session: change(session, context.id, context.token, number, *values, **fields)
        )
