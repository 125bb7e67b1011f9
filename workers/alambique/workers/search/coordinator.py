"""The bench of a search: gives trials to Tune, and writes down in the registry what comes of them.

Here, in the driver, everything is decided and remembered; the processes of trials only train.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from alambique.registry import trials
from alambique.registry.records import Trial
from alambique.spec.errors import BadSpec
from alambique.spec.search import Search
from alambique.spec.space import axes, size
from alambique.spec.states import Reason, StageName, TrialState
from alambique.tasks.all import find
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.records import StudentResult, TrainedModel
from alambique.workers.pipeline.stage import begin_stage, find_done, record_stage
from alambique.workers.search import costs
from alambique.workers.search.active_trial import ActiveTrial
from alambique.workers.search.earlier import past_of, unfinished, was_stopped
from alambique.workers.search.progress import SearchProgress
from alambique.workers.search.sampling import proposed
from alambique.workers.search.trial_spec import Report, TrialSpec
from alambique.workers.search.variants import Shared, Variant
from alambique.workers.stages.distil import note_outputs, student_of
from alambique.workers.training.result import read_result

_EVERY = 1.0
"""Seconds between two reports of how far the search is."""


@dataclass
class TrialCoordinator:
    """The trials of one search, in one attempt at its job."""

    shared: Shared
    trials: dict[int, Trial]
    """By their number, those that the registry has."""
    clock: Callable[[], float] = time.monotonic
    _left: list[Trial] = field(init=False)
    _going: dict[int, ActiveTrial] = field(init=False, default_factory=dict)
    _held_up: ActiveTrial | None = field(init=False, default=None)
    """Begun, but another job is doing the same."""
    _ready: TrialSpec | None = field(init=False, default=None)
    _reported: SearchProgress | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """What an earlier attempt has left goes on first; before it ends what was stopped there."""
        left = [trial for trial in self.trials.values() if unfinished(trial)]
        self._left = sorted(left, key=was_stopped, reverse=True)
        self._axes = axes(self.shared.job)
        self._since = self._looked = self._asked = self.clock()
        self._done_then = self.standing.done

    @property
    def search(self) -> Search:
        """What the job says of it."""
        assert self.shared.job.search is not None
        return self.shared.job.search

    @property
    def exhausted(self) -> bool:
        """Whether no other trial will be started."""
        full = len(self._going) >= self.search.concurrent
        return not (full or self._left or self._held_up or self._ready or self._proposal())

    def waiting(self) -> bool:
        """Whether there is something to do that is not done already."""
        self._ready = self.next()
        return not self.exhausted

    def next(self) -> TrialSpec | None:
        """A trial to start, if one may be started now."""
        ready, self._ready = self._ready, None
        while ready is None and len(self._going) < self.search.concurrent:
            if self._held_up and self.clock() - self._asked < _EVERY:
                return None
            trial = self._held_up or self._begun()
            if trial is None or not self._alone(trial):
                return None
            ready = self._offered(trial)
        return ready

    def on_report(self, number: int, report: Report) -> None:
        """A trial has come so far."""
        going = self._going[number]
        self._hear(going)
        if report.error is not None:
            going.failed = report
            return
        going.come(report)
        # a database that does not answer now is told with the next epoch
        with suppress(SQLAlchemyError):
            self._tell(number, going)

    def ended(self, number: int, error: BaseException | None) -> None:
        """A trial is at its end, or was stopped; or failed."""
        going = self._going.pop(number)
        try:
            self._hear(going)
            if error is not None and not going.stopped:
                self._failed(number, going.last, reason_of(error), user_message(error))
            elif (failed := going.failed) and failed.error is not None:
                self._failed(number, going.last, failed.reason or Reason.INTERNAL, failed.error)
            else:
                self._well(number, going)
        finally:
            self._work.holding.let_go([going.variant.place.name])

    def look(self) -> None:
        """Logs what is new and reports how far the search is, now and then."""
        now = self.clock()
        if now - self._looked < _EVERY:
            return
        self._looked = now
        for going in self._going.values():
            self._hear(going)
        standing = self.standing
        if standing != self._reported:
            self._reported = standing
            self._report(standing, now)

    def _hear(self, going: ActiveTrial) -> None:
        """Logs the epochs of a trial that have ended."""
        if lines := going.news():
            self._work.log(*lines)

    def _report(self, standing: SearchProgress, now: float) -> None:
        goals = self.search.targets
        best = standing.best(goals[0])
        found = best.metrics if best else {}
        self._work.report(
            StageName.DISTIL,
            standing.fraction,
            eta_seconds=self._left_seconds(standing, now),
            loss=found.get("loss"),
            metric=found.get(self._primary),
            message=standing.said(goals),
        )

    @property
    def standing(self) -> SearchProgress:
        """How far the search is."""
        return SearchProgress(
            dict(self.trials),
            {number: going.part for number, going in self._going.items()},
            size(self.search, self._axes),
        )

    @property
    def _work(self) -> JobContext:
        return self.shared.work

    @property
    def _primary(self) -> str:
        return find(self.shared.job.task).primary

    def _left_seconds(self, standing: SearchProgress, now: float) -> float | None:
        done = standing.done - self._done_then
        return (now - self._since) / done * (standing.of - standing.done) if done else None

    def _following(self) -> tuple[int, Mapping[str, Any]] | None:
        if self._left:
            trial = self._left.pop(0)
            return trial.number, trial.values
        values = self._proposal()
        return None if values is None else (self._next_number, values)

    @property
    def _next_number(self) -> int:
        return max(self.trials, default=0) + 1

    def _proposal(self) -> dict[str, Any] | None:
        past = [past_of(trial, self.search) for trial in self.trials.values()]
        seed, number = self.shared.job.train.seed, self._next_number
        return proposed(self.search, self._axes, past, seed=seed, number=number)

    def _begun(self) -> ActiveTrial | None:
        """The next trial to go on with; those before it have failed, or were stopped."""
        while following := self._following():
            number, values = following
            known = self.trials.get(number)
            self._write(trials.begin, number, values)
            try:
                variant = self.shared.variant(values)
            except BadSpec as error:
                self._failed(number, None, Reason.BAD_SPEC, str(error))
                continue
            curve = [dict(point) for point in known.curve] if known else []
            going = ActiveTrial(number, variant, self.clock(), curve)
            if not going.stopped:
                return going
            self._stopped(going)
            self._done_then += 1
        return None

    def _alone(self, trial: ActiveTrial) -> bool:
        """Whether nobody else is doing the trial's work now; else it is held up."""
        if self._work.holding.take([trial.variant.place.name]):
            self._held_up = None
            return True
        if self._held_up is None:
            self._work.log(f"trial {trial.number}: another job is doing the same; it waits")
        self._held_up, self._asked = trial, self.clock()
        return False

    def _offered(self, trial: ActiveTrial) -> TrialSpec | None:
        """The order of a trial that is ours to do; None where its student is there already."""
        place = trial.variant.place
        if before := find_done(self._work, place):
            self._work.log(f"trial {trial.number}: done before, by job {before.job_id}")
            student = StudentResult.model_validate(before.output).student
            self._finished(trial.number, trial.variant, student)
            self._work.holding.let_go([place.name])
            return None
        begin_stage(place)
        note_outputs(trial.variant.cached, "distilled", place.folder)
        trial.listen()
        self._going[trial.number] = trial
        self._done_then += trial.part
        return trial.variant.order(trial.number)

    def _well(self, number: int, going: ActiveTrial) -> None:
        """A trial that did not fail: at its end, or stopped."""
        variant = going.variant
        if going.outcome is None:
            self._stopped(going)
            return
        seconds = self.clock() - going.began
        distilled = student_of(variant.courses, "distilled", seconds)
        distilled = record_stage(self._work, variant.place, distilled)
        self._finished(number, variant, distilled.student)

    def _stopped(self, going: ActiveTrial) -> None:
        last, first = going.last, going.variant.courses[0]
        found = {} if last is None else self._scores(last.loss, last.metric)
        # a start has the shape of its student, and so its costs
        found |= costs.measurable(self.shared.job, first.labels, first.start, self._work.log)
        epochs = last.epoch if last else 0
        self._end(going.number, TrialState.STOPPED, epochs=epochs, metrics=found)

    def _finished(self, number: int, variant: Variant, student: TrainedModel) -> None:
        last = variant.courses[-1]
        assert student.loss is not None  # of a student; a teacher may come fine-tuned
        found = self._scores(student.loss, student.metric)
        found |= costs.measured(self.shared.job, last.labels, student.folder)
        outcome = read_result(last)
        epochs = outcome.epochs if outcome else 0
        self._end(number, TrialState.FINISHED, epochs=epochs, metrics=found)

    def _failed(self, number: int, last: Report | None, reason: Reason, error: str) -> None:
        self._work.log(f"trial {number} failed: {error}")
        epochs = last.epoch if last else 0
        state = TrialState.FAILED
        self._end(number, state, epochs=epochs, metrics={}, reason=reason, error=error)

    def _scores(self, loss: float, metric: float) -> dict[str, float]:
        return {"loss": loss, self._primary: metric}

    def _end(self, number: int, state: TrialState, **how: Any) -> None:
        self._write(trials.end, number, state, **how)

    def _write(self, change: Callable[..., Trial], number: int, *what: Any, **how: Any) -> None:
        work = self._work
        self.trials[number] = work.write(
            lambda session: change(session, work.id, work.token, number, *what, **how)
        )

    def _tell(self, number: int, going: ActiveTrial) -> None:
        assert going.last is not None
        work = self._work
        with work.database.write() as session:
            trials.tell(
                session,
                work.id,
                work.token,
                number,
                epochs=going.last.epoch,
                metrics=self._scores(going.last.loss, going.last.metric),
                curve=going.curve,
            )
