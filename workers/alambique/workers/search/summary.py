"""What is told of a search: how far it is while it runs, and what the result of its job says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alambique.distill.front import balance, best_of, score_per_octave
from alambique.registry.records import Trial
from alambique.spec.job import Job
from alambique.spec.search import LOSS, Goal
from alambique.spec.space import axes
from alambique.spec.states import TrialState
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
class SearchResult:
    """What a search came to."""

    trials: tuple[Trial, ...]
    front: tuple[int, ...]
    """The numbers of the trials on the front; the best by the first goal is the last."""
    students: tuple[TrainedModel, ...]
    """Of each trial on the front, in that order, its baselines and its student."""
    notes: tuple[str, ...] = ()
    """Why baselines could not be trained."""


def search_summary(
    job: Job, result: SearchResult, rows: Sequence[Mapping[str, Any]], primary: str
) -> dict[str, Any]:
    """Return the search as JSON: goals, trials, dimensions, and the front with its balance.

    Args:
        job: the job that has the search.
        result: what the search came to.
        rows: the job's table, the teachers first.
        primary: the metric that stands for the score.
    """
    search = job.search
    assert search is not None
    teachers = rows[: len(job.teachers)]
    students = [row for row in rows if row["name"] == "distilled"]
    points = [(row["macs"]["full"], row["metrics"][primary]) for row in students]
    times = [(row["latency_ms"], row["metrics"][primary]) for row in students]
    finished = [trial for trial in result.trials if trial.state is TrialState.FINISHED]
    past = [past_trial(trial, search) for trial in finished]
    importance = dimension_importance(axes(job), past, seed=job.train.seed)
    return {
        "goals": list(search.goals),
        "trials": _state_counts(result.trials),
        "dimensions": [{"field": field, "importance": part} for field, part in importance.items()],
        "front": [_front_member(result, row) for row in students],
        "balance": {
            "macs": balance(points, max(row["macs"]["full"] for row in teachers)),
            "latency_ms": balance(times, max(row["latency_ms"] for row in teachers)),
        },
        "score_per_octave": score_per_octave(points),
    }


def _state_counts(trials: Sequence[Trial]) -> dict[str, int]:
    """Return how many trials are in each state; states without any are left out."""
    counts = {state: sum(trial.state is state for trial in trials) for state in TrialState}
    return {str(state): count for state, count in counts.items() if count}


def _front_member(result: SearchResult, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a trial on the front, whose student has that row of the table."""
    trial = next(trial for trial in result.trials if trial.number == row["trial"])
    return {
        "trial": trial.number,
        "values": trial.values,
        "epochs": trial.epochs,
        "metrics": trial.metrics,
        "version": row["version"],
    }
