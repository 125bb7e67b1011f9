"""What is told of a search: how far it is while it runs, and what the result of its job says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alambique.distill.front import balance, best_of, score_per_octave
from alambique.registry.job_result import (
    Balance,
    Dimension,
    FrontMember,
    JobResult,
    ResultRow,
    SearchResult,
)
from alambique.registry.records import Trial
from alambique.spec.job import Job
from alambique.spec.search import LOSS, Goal
from alambique.spec.space import axes
from alambique.spec.states import StudentRole, TrialState
from alambique.workers.pipeline.records import TrainedModel
from alambique.workers.search.sampling import dimension_importance, past_trial


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """How far a search is."""

    trials: Mapping[int, Trial]
    """By their numbers, those that have begun."""
    running: Mapping[int, float]
    """By the number of a trial that runs, the part of its epochs that are over."""
    of: int
    """How many trials there will be at most."""

    @property
    def done(self) -> float:
        """How many trials' worth of work is done."""
        over = sum(trial.state.over for trial in self.trials.values())
        return over + sum(self.running.values())

    @property
    def fraction(self) -> float:
        """The part of all work that is done."""
        return min(1.0, self.done / self.of)

    def best(self, goal: Goal) -> Trial | None:
        """Return the trial that is best by a goal so far, of those that came to their end."""
        measured = {
            number: trial.metrics
            for number, trial in self.trials.items()
            if trial.state is TrialState.FINISHED and goal.name in trial.metrics
        }
        number = best_of(goal, list(measured), measured)
        return None if number is None else self.trials[number]

    def message(self, goals: Sequence[Goal]) -> str:
        """Return it in words: "trial 5 of 12, 2 running; best f1 71.20 % (trial 3)"."""
        message = f"trial {max(self.trials, default=0)} of {self.of}, {len(self.running)} running"
        failed = sum(trial.state is TrialState.FAILED for trial in self.trials.values())
        message += f", {failed} failed" if failed else ""
        goal = goals[0]
        best = self.best(goal)
        if best is None:
            return message
        value = _format_metric(goal, best.metrics[goal.name])
        return f"{message}; best {goal.name} {value} (trial {best.number})"


def _format_metric(goal: Goal, value: float) -> str:
    if goal.direction == "max":
        return f"{100 * value:.2f} %"
    return f"{value:.4f}" if goal.name == LOSS else f"{value:.4g}"


@dataclass(frozen=True)
class SearchOutcome:
    """What a search came to."""

    trials: tuple[Trial, ...]
    front: tuple[int, ...]
    """The numbers of the trials on the front; the best by the first goal is the last."""
    students: tuple[TrainedModel, ...]
    """Of each trial on the front, in that order, its baselines and its student."""
    notes: tuple[str, ...] = ()
    """Why baselines could not be trained."""

    def summarize(self, job: Job, result: JobResult) -> SearchResult:
        """Return what the job's result says of the search.

        Args:
            job: the job that has the search.
            result: its table, the teachers first.
        """
        search = job.search
        assert search is not None
        teachers = result.rows[: len(job.teachers)]
        students = [row for row in result.rows if row.name == StudentRole.DISTILLED]
        points = [(row.macs.full, row.metrics[result.primary]) for row in students]
        times = [(row.latency_ms, row.metrics[result.primary]) for row in students]
        finished = [trial for trial in self.trials if trial.state is TrialState.FINISHED]
        past = [past_trial(trial, search) for trial in finished]
        importance = dimension_importance(axes(job), past, seed=job.train.seed)
        return SearchResult(
            goals=tuple(search.goals),
            trials=_state_counts(self.trials),
            dimensions=tuple(
                Dimension(field=field, importance=part) for field, part in importance.items()
            ),
            front=tuple(self._front_member(row) for row in students),
            balance=Balance(
                macs=balance(points, max(row.macs.full for row in teachers)),
                latency_ms=balance(times, max(row.latency_ms for row in teachers)),
            ),
            score_per_octave=score_per_octave(points),
        )

    def _front_member(self, row: ResultRow) -> FrontMember:
        """Return what is told of a trial on the front, whose student has that row of the table."""
        trial = next(trial for trial in self.trials if trial.number == row.trial)
        return FrontMember(
            trial=trial.number,
            values=dict(trial.values),
            epochs=trial.epochs,
            metrics=dict(trial.metrics),
            version=row.version,
        )


def _state_counts(trials: Sequence[Trial]) -> dict[str, int]:
    """Return how many trials are in each state; states without any are left out."""
    counts = {state: sum(trial.state is state for trial in trials) for state in TrialState}
    return {str(state): count for state, count in counts.items() if count}
