"""Proposes the values of trials, and ranks the dimensions of a search, from its past trials.

Each proposal is a function of the past trials and a seed alone: a search that is resumed after a
kill proposes what it would have proposed without the kill.
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
"""How often a sampler is asked for a combination that was not tried yet."""
_RANDOM_ATTEMPTS = 1000
"""Random draws before a search over ranges, which cannot be enumerated, counts as exhausted."""
_DIGITS = 4
"""Significant digits of a value drawn from a range: more would be noise in every table."""
_MIN_TRIALS = 4
"""The fewest trials that the importance of dimensions is estimated from."""

_DIRECTIONS: Mapping[Direction, StudyDirection] = {
    "max": StudyDirection.MAXIMIZE,
    "min": StudyDirection.MINIMIZE,
}

Values = Mapping[str, Any]
"""The values of a trial, by the paths of their fields in the job."""


@dataclass(frozen=True, slots=True)
class PastTrial:
    """A trial that has begun before, as a sampler sees it."""

    values: Values
    scores: tuple[float, ...] | None
    """A score for each goal; None while the trial runs, and if it failed."""
    failed: bool = False


def past_trial(trial: Trial, search: Search) -> PastTrial:
    """Return a trial as a sampler sees it; one that is over and lacks a goal counts as failed."""
    metrics = [trial.metrics.get(goal.name) for goal in search.targets]
    scores = tuple(value for value in metrics if value is not None)
    if not trial.state.over:
        return PastTrial(trial.values, None)
    complete = trial.state is not TrialState.FAILED and len(scores) == len(metrics)
    return PastTrial(trial.values, scores if complete else None, failed=not complete)


def propose_trial(
    search: Search, axes: Sequence[Axis], past: Sequence[PastTrial], *, seed: int, number: int
) -> dict[str, Any] | None:
    """Return the values of trial `number`, counted from 1; None if every combination was tried.

    No combination is proposed twice.
    """
    if number > trial_count(search, axes):
        return None
    if search.sampler == "grid":
        return _grid_values(axes, number - 1)
    tried = {as_json(trial.values) for trial in past}
    sampler = _make_sampler(search, axes, seed=_derived_seed(seed, number, 0))
    sampled = islice(_sampled_values(search, axes, past, sampler), _ATTEMPTS)
    candidates = chain(sampled, _fallback_values(search, axes, seed=_derived_seed(seed, number, 1)))
    return next((values for values in candidates if as_json(values) not in tried), None)


def dimension_importance(
    axes: Sequence[Axis], past: Sequence[PastTrial], *, seed: int
) -> dict[str, float | None]:
    """Return each dimension's share of the variance of the first goal, over trials with all goals.

    Functional ANOVA on a random forest (Hutter, Hoos and Leyton-Brown, 2014), as Optuna has it.
    Every share is None if there are too few trials, or if all of them scored the same.
    """
    scored = [replace(trial, scores=trial.scores[:1]) for trial in past if trial.scores is not None]
    if len(scored) < _MIN_TRIALS or len({trial.scores for trial in scored}) < 2:
        return {axis.path: None for axis in axes}
    study = _make_study([StudyDirection.MINIMIZE], RandomSampler(seed=seed))
    study.add_trials(_optuna_trial(axes, trial) for trial in scored)
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
    # Optuna leaves out a dimension of one value, which explains nothing
    return {axis.path: float(shares.get(axis.path, 0.0)) for axis in axes}


def _sampled_values(
    search: Search, axes: Sequence[Axis], past: Sequence[PastTrial], sampler: BaseSampler
) -> Iterator[dict[str, Any]]:
    """Yield proposals of the sampler without end; none of them gets a result in between."""
    study = _make_study([_DIRECTIONS[goal.direction] for goal in search.targets], sampler)
    study.add_trials(_optuna_trial(axes, trial) for trial in past)
    distributions = {axis.path: _distribution(axis) for axis in axes}
    while True:
        suggestion = study.ask(distributions)
        yield {axis.path: _job_value(axis, suggestion.params[axis.path]) for axis in axes}


def _fallback_values(
    search: Search, axes: Sequence[Axis], *, seed: int
) -> Iterator[dict[str, Any]]:
    """Return what to propose once the sampler repeats itself: every combination, or random draws.

    Some may have been tried; the caller leaves those out.
    """
    if (lists := value_lists(axes)) is not None:
        return (_grid_values(axes, number) for number in range(combination_count(lists)))
    return islice(_sampled_values(search, axes, (), RandomSampler(seed=seed)), _RANDOM_ATTEMPTS)


def _make_study(directions: Sequence[StudyDirection], sampler: BaseSampler) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(directions=list(directions), sampler=sampler)


def _make_sampler(search: Search, axes: Sequence[Axis], *, seed: int) -> BaseSampler:
    match search.sampler:
        case "tpe":
            # Optuna's default of ten random trials would make a small search a random one
            random_trials = max(4, min(10, trial_count(search, axes) // 4))
            return TPESampler(seed=seed, n_startup_trials=random_trials)
        case "random":
            return RandomSampler(seed=seed)
        case "grid":
            raise AssertionError("a grid is not sampled")
        case _:
            assert_never(search.sampler)


def _grid_values(axes: Sequence[Axis], number: int) -> dict[str, Any]:
    """Return combination `number` of a grid, counted from 0; the last axis changes fastest."""
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
            # indices: Optuna's categories cannot be lists or mappings, as values of a job can
            return CategoricalDistribution(tuple(range(len(values))))
        case Between(whole=True):
            return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
        case Between():
            return FloatDistribution(axis.low, axis.high, log=axis.log)
        case _:
            assert_never(axis)


def _optuna_value(axis: Axis, value: Any) -> Any:
    """Return a value of a job as a parameter of Optuna."""
    if isinstance(axis, Listed):
        return [as_json(each) for each in axis.values].index(as_json(value))
    return int(value) if axis.whole else float(value)


def _job_value(axis: Axis, parameter: Any) -> Any:
    """Return a parameter of Optuna as a value of a job."""
    if isinstance(axis, Listed):
        return axis.values[parameter]
    if axis.whole:
        return int(parameter)
    rounded = float(f"{parameter:.{_DIGITS}g}")
    return int_if_whole(min(max(rounded, axis.low), axis.high))


def _derived_seed(*numbers: int) -> int:
    """Return a seed that is distinct for each combination of numbers."""
    text = ":".join(map(str, numbers))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
