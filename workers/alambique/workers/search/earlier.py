"""What trials that were begun before mean to those that follow."""

from alambique.registry.records import Trial
from alambique.registry.transitions import may_pass
from alambique.spec.search import Search
from alambique.spec.states import TrialState
from alambique.workers.search.sampling import Past
from alambique.workers.search.trial_spec import Report


def unfinished(trial: Trial) -> bool:
    """Whether another attempt at the job goes on with the trial."""
    return not trial.state.over or (trial.reason is not None and may_pass(trial.reason))


def was_stopped(trial: Trial) -> bool:
    """Whether the scheduler of an earlier attempt stopped the trial, maybe as its last act."""
    return bool(trial.curve) and Report.of_point(trial.curve[-1]).stopped


def past_of(trial: Trial, search: Search) -> Past:
    """What a sampler is told of a trial."""
    found = [trial.metrics.get(goal.name) for goal in search.targets]
    scores = tuple(value for value in found if value is not None)
    if not trial.state.over:
        return Past(trial.values, None)
    whole = trial.state is not TrialState.FAILED and len(scores) == len(found)
    return Past(trial.values, scores if whole else None, failed=not whole)
