"""The progress of a search while it runs, and its part of the job's result."""

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
    """The progress of a search."""

    trials: Mapping[int, Trial]
    """The trials that have begun, by their numbers."""
    running: Mapping[int, float]
    """The part of its epochs that are over, by the number of a trial that runs."""
    total: int
    """The largest number of trials that there will be."""

    @property
    def completed(self) -> float:
        """The work that is done, in trials; a trial that runs counts in part."""
        over = sum(trial.state.over for trial in self.trials.values())
        return over + sum(self.running.values())

    @property
    def completed_fraction(self) -> float:
        """The part of all work that is done, from 0 to 1."""
        return min(1.0, self.completed / self.total)

    def best(self, goal: Goal) -> Trial | None:
        """Return the finished trial that is best by a goal; None if none has finished."""
        measured = {
            number: trial.metrics
            for number, trial in self.trials.items()
            if trial.state is TrialState.FINISHED and goal.name in trial.metrics
        }
        number = best_of(goal, list(measured), measured)
        return None if number is None else self.trials[number]

    def message(self, goals: Sequence[Goal]) -> str:
        """Return the progress as text: "trial 5 of 12, 2 running; best f1 71.20 % (trial 3)"."""
        message = (
            f"trial {max(self.trials, default=0)} of {self.total}, {len(self.running)} running"
        )
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
    """The result of a search: its trials, and the students of its Pareto front."""

    trials: tuple[Trial, ...]
    front: tuple[int, ...]
    """The numbers of the trials on the front; the best by the first goal is the last."""
    students: tuple[TrainedModel, ...]
    """The baselines and the student of each trial on the front, in that order."""
    notes: tuple[str, ...] = ()
    """Why students or baselines of the front could not be trained."""

    def summarize(self, job: Job, result: JobResult) -> SearchResult:
        """Return the summary of the search for the job's result.

        Args:
            job: the job that has the search.
            result: the job's result without that summary; its rows list the teachers first.
        """
        search = job.search
        assert search is not None
        teachers = result.rows[: len(job.teachers)]
        students = [row for row in result.rows if row.name == StudentRole.DISTILLED]
        by_macs = [(row.macs.full, row.metrics[result.primary]) for row in students]
        by_latency = [(row.latency_ms, row.metrics[result.primary]) for row in students]
        finished = [trial for trial in self.trials if trial.state is TrialState.FINISHED]
        past = [past_trial(trial, search) for trial in finished]
        importance = dimension_importance(axes(job), past, seed=job.train.seed)
        return SearchResult(
            goals=tuple(search.goals),
            trials=_state_counts(self.trials),
            dimensions=tuple(
                Dimension(field=field, importance=share) for field, share in importance.items()
            ),
            front=tuple(self._front_member(row) for row in students),
            balance=Balance(
                macs=balance(by_macs, max(row.macs.full for row in teachers)),
                latency_ms=balance(by_latency, max(row.latency_ms for row in teachers)),
            ),
            score_per_octave=score_per_octave(by_macs),
        )

    def _front_member(self, row: ResultRow) -> FrontMember:
        """Return the member of the front whose student has that row of the table."""
        trial = next(trial for trial in self.trials if trial.number == row.trial)
        return FrontMember(
            trial=trial.number,
            values=dict(trial.values),
            epochs=trial.epochs,
            metrics=dict(trial.metrics),
            version=row.version,
        )


def _state_counts(trials: Sequence[Trial]) -> dict[str, int]:
    """Return the number of trials in each state, without states that no trial is in."""
    counts = {state: sum(trial.state is state for trial in trials) for state in TrialState}
    return {str(state): count for state, count in counts.items() if count}
