"""Proposes the values of trials, and tells which dimensions mattered, from what was tried so far.

Nothing is remembered between two trials: a search that goes on after a kill proposes what it would
have proposed without it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, assert_never

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from alambique.registry.records import Trial
from alambique.spec.search import Direction, Search, as_json
from alambique.spec.space import (
    Axis,
    Between,
    Listed,
    combination,
    combination_count,
    int_if_whole,
    trial_count,
    value_lists,
)
from alambique.spec.states import TrialState

_ATTEMPTS = 20
"""How often a sampler is asked for values that were not tried yet."""
_RANDOM_ATTEMPTS = 1000
"""How often values are drawn at random, where it cannot be known whether any are left."""
_DIGITS = 4
"""Of a number from a range: more of them say nothing, and nobody could read them."""
_MIN_TRIALS = 4
"""Trials from which something can be said about dimensions."""

_DIRECTIONS: Mapping[Direction, StudyDirection] = {
    "max": StudyDirection.MAXIMIZE,
    "min": StudyDirection.MINIMIZE,
}

Values = Mapping[str, Any]
"""By the path of a field, what a trial has there."""


@dataclass(frozen=True, slots=True)
class PastTrial:
    """A trial that has begun before, as a sampler sees it."""

    values: Values
    scores: tuple[float, ...] | None
    """A number for each goal; None while the trial runs, and where it has failed."""
    failed: bool = False


def past_trial(trial: Trial, search: Search) -> PastTrial:
    """Return what a sampler sees of a trial; one that is over and lacks a goal counts as failed."""
    metrics = [trial.metrics.get(goal.name) for goal in search.targets]
    scores = tuple(value for value in metrics if value is not None)
    if not trial.state.over:
        return PastTrial(trial.values, None)
    complete = trial.state is not TrialState.FAILED and len(scores) == len(metrics)
    return PastTrial(trial.values, scores if complete else None, failed=not complete)


def propose_trial(
    search: Search, axes: Sequence[Axis], past: Sequence[PastTrial], *, seed: int, number: int
) -> dict[str, Any] | None:
    """Return the values of trial `number`, counted from 1; None where everything has been tried.

    Nothing is tried twice.
    """
    if number > trial_count(search, axes):
        return None
    if search.sampler == "grid":
        return _grid_values(axes, number - 1)
    tried = {as_json(trial.values) for trial in past}
    sampler = _make_sampler(search, axes, seed=_derived_seed(seed, number, 0))
    sampled = islice(_sampled_values(search, axes, past, sampler), _ATTEMPTS)
    candidates = chain(sampled, _untried_values(search, axes, seed=_derived_seed(seed, number, 1)))
    return next((values for values in candidates if as_json(values) not in tried), None)


def dimension_importance(
    axes: Sequence[Axis], past: Sequence[PastTrial], *, seed: int
) -> dict[str, float | None]:
    """Return each dimension's part in how the first goal varies over trials that have all goals.

    Functional ANOVA on a random forest (Hutter, Hoos and Leyton-Brown, 2014), as Optuna has it.
    None for all where there are too few trials, or where all did equally well.
    """
    scored = [replace(trial, scores=trial.scores[:1]) for trial in past if trial.scores is not None]
    if len(scored) < _MIN_TRIALS or len({trial.scores for trial in scored}) < 2:
        return {axis.path: None for axis in axes}
    study = _make_study([StudyDirection.MINIMIZE], RandomSampler(seed=seed))
    study.add_trials(_optuna_trial(axes, trial) for trial in scored)
    parts = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
    # a dimension of one value is left out, and mattered nothing
    return {axis.path: float(parts.get(axis.path, 0.0)) for axis in axes}


def _sampled_values(
    search: Search, axes: Sequence[Axis], past: Sequence[PastTrial], sampler: BaseSampler
) -> Iterator[dict[str, Any]]:
    """Yield what the sampler would try, again and again; no result is ever told to it."""
    study = _make_study([_DIRECTIONS[goal.direction] for goal in search.targets], sampler)
    study.add_trials(_optuna_trial(axes, trial) for trial in past)
    distributions = {axis.path: _distribution(axis) for axis in axes}
    while True:
        suggestion = study.ask(distributions)
        yield {axis.path: _job_value(axis, suggestion.params[axis.path]) for axis in axes}


def _untried_values(search: Search, axes: Sequence[Axis], *, seed: int) -> Iterator[dict[str, Any]]:
    """Return values for when a sampler keeps to what was tried: all there are, or random ones."""
    if (lists := value_lists(axes)) is not None:
        return (_grid_values(axes, number) for number in range(combination_count(lists)))
    return islice(_sampled_values(search, axes, (), RandomSampler(seed=seed)), _RANDOM_ATTEMPTS)


def _make_study(directions: Sequence[StudyDirection], sampler: BaseSampler) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(directions=list(directions), sampler=sampler)


def _make_sampler(search: Search, axes: Sequence[Axis], *, seed: int) -> BaseSampler:
    match search.sampler:
        case "tpe":
            # Optuna's own ten would leave a small search nothing but chance
            random_trials = max(4, min(10, trial_count(search, axes) // 4))
            return TPESampler(seed=seed, n_startup_trials=random_trials)
        case "random":
            return RandomSampler(seed=seed)
        case "grid":
            raise AssertionError("a grid is not sampled")
        case _:
            assert_never(search.sampler)


def _grid_values(axes: Sequence[Axis], number: int) -> dict[str, Any]:
    """Return a combination of values that can be counted, from 0; the last axis changes first."""
    lists = value_lists(axes)
    assert lists is not None
    return dict(zip((axis.path for axis in axes), combination(lists, number), strict=True))


def _optuna_trial(axes: Sequence[Axis], past: PastTrial) -> FrozenTrial:
    if past.failed:
        state = OptunaState.FAIL
    else:
        state = OptunaState.RUNNING if past.scores is None else OptunaState.COMPLETE
    return create_trial(
        state=state,
        params={axis.path: _optuna_value(axis, past.values[axis.path]) for axis in axes},
        distributions={axis.path: _distribution(axis) for axis in axes},
        values=list(past.scores) if past.scores is not None and not past.failed else None,
    )


def _distribution(axis: Axis) -> BaseDistribution:
    match axis:
        case Listed(values=values):
            # by their positions: a value may be a list or a mapping
            return CategoricalDistribution(tuple(range(len(values))))
        case Between(whole=True):
            return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
        case Between():
            return FloatDistribution(axis.low, axis.high, log=axis.log)
        case _:
            assert_never(axis)


def _optuna_value(axis: Axis, value: Any) -> Any:
    """Return a value of the job as Optuna has it."""
    if isinstance(axis, Listed):
        return [as_json(each) for each in axis.values].index(as_json(value))
    return int(value) if axis.whole else float(value)


def _job_value(axis: Axis, parameter: Any) -> Any:
    """Return a parameter of Optuna as the job has it."""
    if isinstance(axis, Listed):
        return axis.values[parameter]
    if axis.whole:
        return int(parameter)
    rounded = float(f"{parameter:.{_DIGITS}g}")
    return int_if_whole(min(max(rounded, axis.low), axis.high))


def _derived_seed(*numbers: int) -> int:
    """Return a seed of its own for each combination of numbers."""
    text = ":".join(map(str, numbers))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
