"""Which values a trial gets, and which dimensions mattered: functions of what was tried so far.

Nothing is remembered between two trials: a search that goes on after a kill proposes what it would
have proposed.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from optuna.trial import FrozenTrial, TrialState, create_trial

from alambique.spec.combinations import combination, count
from alambique.spec.search import Direction, Search, written
from alambique.spec.space import Axis, Between, Listed, lists, plain, size

_TRIES = 20
"""How often a sampler is asked for values that were not tried yet."""
_CHANCES = 1000
"""How often chance is, where it cannot be known whether there are any."""
_DIGITS = 4
"""Of a number from a range: more of them say nothing, and nobody could read them."""
_FEWEST = 4
"""Trials from which something can be said about dimensions."""

_WAYS: Mapping[Direction, StudyDirection] = {
    "max": StudyDirection.MAXIMIZE,
    "min": StudyDirection.MINIMIZE,
}

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Past:
    """A trial that was begun before."""

    values: Values
    scores: tuple[float, ...] | None
    """By the goals, as far as the trial came; None where there are none yet."""
    failed: bool = False


def proposed(
    search: Search, axes: Sequence[Axis], past: Sequence[Past], *, seed: int, number: int
) -> dict[str, Any] | None:
    """The values of trial `number`, counted from 1; None where everything has been tried.

    Nothing is tried twice.
    """
    if number > size(search, axes):
        return None
    if search.sampler == "grid":
        return _combined(axes, number - 1)
    used = {written(one.values) for one in past}
    sampler = _sampler(search, axes, seed=_mixed(seed, number, 0))
    drawn = islice(_asked(search, axes, past, sampler), _TRIES)
    found = chain(drawn, _others(search, axes, seed=_mixed(seed, number, 1)))
    return next((values for values in found if written(values) not in used), None)


def importance(axes: Sequence[Axis], past: Sequence[Past], *, seed: int) -> dict[str, float | None]:
    """The part of each dimension in how the first goal varies over trials that ran to their end.

    Functional ANOVA on a random forest (Hutter, Hoos and Leyton-Brown, 2014), as Optuna has it.
    None for all where there are too few trials, or where all did equally well.
    """
    done = [one for one in past if one.scores is not None]
    if len(done) < _FEWEST or len({one.scores[0] for one in done if one.scores}) < 2:
        return {axis.path: None for axis in axes}
    study = _study([_WAYS["min"]], RandomSampler(seed=seed))
    study.add_trials(_frozen(axes, _of_first(one)) for one in done)
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
    # a dimension of one value is left out, and mattered nothing
    return {axis.path: float(found.get(axis.path, 0.0)) for axis in axes}


def _of_first(one: Past) -> Past:
    assert one.scores is not None
    return Past(one.values, one.scores[:1])


def _asked(
    search: Search, axes: Sequence[Axis], past: Sequence[Past], sampler: BaseSampler
) -> Iterator[dict[str, Any]]:
    """What the sampler would try, again and again; of none of it comes anything."""
    study = _study([_WAYS[goal.direction] for goal in search.targets], sampler)
    study.add_trials(_frozen(axes, one) for one in past)
    distributions = {axis.path: _distribution(axis) for axis in axes}
    while True:
        asked = study.ask(distributions)
        yield {axis.path: _value(axis, asked.params[axis.path]) for axis in axes}


def _others(search: Search, axes: Sequence[Axis], *, seed: int) -> Iterator[dict[str, Any]]:
    """What is left where a sampler keeps to what was tried: all there is, or else by chance."""
    if (values := lists(axes)) is not None:
        return (_combined(axes, number) for number in range(count(values)))
    return islice(_asked(search, axes, (), RandomSampler(seed=seed)), _CHANCES)


def _study(directions: Sequence[StudyDirection], sampler: BaseSampler) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(directions=list(directions), sampler=sampler)


def _sampler(search: Search, axes: Sequence[Axis], *, seed: int) -> BaseSampler:
    match search.sampler:
        case "tpe":
            # Optuna's own ten would leave a small search nothing but chance
            chance = max(4, min(10, size(search, axes) // 4))
            return TPESampler(seed=seed, n_startup_trials=chance)
        case "random":
            return RandomSampler(seed=seed)
        case "grid":
            raise AssertionError("a grid is not sampled")
        case _:
            assert_never(search.sampler)


def _combined(axes: Sequence[Axis], number: int) -> dict[str, Any]:
    """A combination of values that can be counted, from 0; the last dimension changes first."""
    values = lists(axes)
    assert values is not None
    return dict(zip((axis.path for axis in axes), combination(values, number), strict=True))


def _frozen(axes: Sequence[Axis], one: Past) -> FrozenTrial:
    if one.failed:
        state = TrialState.FAIL
    else:
        state = TrialState.RUNNING if one.scores is None else TrialState.COMPLETE
    return create_trial(
        state=state,
        params={axis.path: _parameter(axis, one.values[axis.path]) for axis in axes},
        distributions={axis.path: _distribution(axis) for axis in axes},
        values=list(one.scores) if one.scores is not None and not one.failed else None,
    )


def _distribution(axis: Axis) -> BaseDistribution:
    match axis:
        case Listed(values=values):
            # by their numbers: a value may be a list or a mapping
            return CategoricalDistribution(tuple(range(len(values))))
        case Between(whole=True):
            return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
        case Between():
            return FloatDistribution(axis.low, axis.high, log=axis.log)
        case _:
            assert_never(axis)


def _parameter(axis: Axis, value: Any) -> Any:
    """A value as Optuna has it."""
    if isinstance(axis, Listed):
        return [written(each) for each in axis.values].index(written(value))
    return int(value) if axis.whole else float(value)


def _value(axis: Axis, parameter: Any) -> Any:
    """What Optuna gave as the job has it."""
    if isinstance(axis, Listed):
        return axis.values[parameter]
    if axis.whole:
        return int(parameter)
    rounded = float(f"{parameter:.{_DIGITS}g}")
    return plain(min(max(rounded, axis.low), axis.high))


def _mixed(*numbers: int) -> int:
    """A seed of its own for each combination of numbers."""
    return int.from_bytes(hashlib.sha256(_joined(numbers).encode()).digest()[:4])


def _joined(numbers: Iterable[int]) -> str:
    return ":".join(map(str, numbers))
