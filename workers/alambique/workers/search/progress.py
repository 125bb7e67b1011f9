"""How far a search is, in numbers and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alambique.distill.front import best_of
from alambique.registry.records import Trial
from alambique.spec.search import LOSS, Goal
from alambique.spec.states import TrialState


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """A search while it runs."""

    trials: Mapping[int, Trial]
    """By their number, those that were begun."""
    running: Mapping[int, float]
    """By their number, the part of its epochs that a trial has done."""
    of: int
    """How many there will be at most."""

    @property
    def done(self) -> float:
        """How many trials' worth of work is behind it."""
        over = sum(trial.state.over for trial in self.trials.values())
        return over + sum(self.running.values())

    @property
    def fraction(self) -> float:
        """That, as a part of all."""
        return min(1.0, self.done / self.of)

    def best(self, goal: Goal) -> Trial | None:
        """The trial that is best by a goal so far, of those that ran to their end."""
        measured = {
            number: trial.metrics
            for number, trial in self.trials.items()
            if trial.state is TrialState.FINISHED and goal.name in trial.metrics
        }
        number = best_of(goal, list(measured), measured)
        return None if number is None else self.trials[number]

    def said(self, goals: Sequence[Goal]) -> str:
        """In words: "trial 5 of 12, 2 running; best f1 71.20 % (trial 3)"."""
        told = f"trial {max(self.trials, default=0)} of {self.of}, {len(self.running)} running"
        failed = sum(trial.state is TrialState.FAILED for trial in self.trials.values())
        told += f", {failed} failed" if failed else ""
        goal = goals[0]
        best = self.best(goal)
        if best is None:
            return told
        figure = _figure(goal, best.metrics[goal.name])
        return f"{told}; best {goal.name} {figure} (trial {best.number})"


def _figure(goal: Goal, value: float) -> str:
    if goal.direction == "max":
        return f"{100 * value:.2f} %"
    return f"{value:.4f}" if goal.name == LOSS else f"{value:.4g}"
