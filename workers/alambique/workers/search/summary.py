"""What a job's result says of its search."""

from collections.abc import Mapping, Sequence
from typing import Any

from alambique.distill.front import balance, score_per_octave
from alambique.registry.records import Trial
from alambique.spec.job import Job
from alambique.spec.space import axes
from alambique.spec.states import TrialState
from alambique.workers.search.earlier import past_of
from alambique.workers.search.sampling import importance
from alambique.workers.stages.search import Searched


def summary(
    job: Job, searched: Searched, rows: Sequence[Mapping[str, Any]], primary: str
) -> dict[str, Any]:
    """The search as JSON: goals, trials, dimensions, and the front with its balance.

    Args:
        job: that has the search.
        searched: what was found.
        rows: the job's table, the teachers first.
        primary: the metric that stands for the score.
    """
    search = job.search
    assert search is not None
    teachers = rows[: len(job.teachers)]
    students = [row for row in rows if row["name"] == "distilled"]
    points = [(row["macs"]["full"], row["metrics"][primary]) for row in students]
    times = [(row["latency_ms"], row["metrics"][primary]) for row in students]
    return {
        "goals": list(search.goals),
        "trials": _counted(searched.trials),
        "dimensions": _dimensions(job, searched.trials),
        "front": [_member(searched, row) for row in students],
        "balance": {
            "macs": balance(points, max(row["macs"]["full"] for row in teachers)),
            "latency_ms": balance(times, max(row["latency_ms"] for row in teachers)),
        },
        "score_per_octave": score_per_octave(points),
    }


def _counted(trials: Sequence[Trial]) -> dict[str, int]:
    counts = {state: sum(trial.state is state for trial in trials) for state in TrialState}
    return {str(state): count for state, count in counts.items() if count}


def _dimensions(job: Job, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Each field with its part in how well trials did by the first goal."""
    search = job.search
    assert search is not None
    past = [past_of(one, search) for one in trials if one.state is TrialState.FINISHED]
    found = importance(axes(job), past, seed=job.train.seed)
    return [{"field": field, "importance": part} for field, part in found.items()]


def _member(searched: Searched, row: Mapping[str, Any]) -> dict[str, Any]:
    trial = next(one for one in searched.trials if one.number == row["trial"])
    return {
        "trial": trial.number,
        "values": trial.values,
        "epochs": trial.epochs,
        "metrics": trial.metrics,
        "version": row["version"],
    }
