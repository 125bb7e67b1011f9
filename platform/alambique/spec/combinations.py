"""What of a search's space is looked at before anything is spent: combinations of its values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from alambique.spec.errors import BadSpec
from alambique.spec.job import Job
from alambique.spec.search import Dimension, Range
from alambique.spec.space import (
    combination,
    combination_count,
    job_with_values,
    listed_values,
    single_value_jobs,
    spread_combinations,
    takes_whole_numbers,
)

_MOST = 500
"""Combinations that are looked at."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One combination of values, by the paths of their fields, and the job that it makes."""

    values: Mapping[str, Any]
    job: Job | BadSpec
    """Or why there is none."""


@dataclass(frozen=True, slots=True)
class Combinations:
    """Combinations of the values of some dimensions; of none, the job as it is."""

    each: tuple[Combination, ...]
    listed: frozenset[str]
    """The dimensions whose values the job lists one by one."""
    whole: bool
    """Whether these are all. Of a field that takes any number between two, the least and the
    greatest stand for all others."""

    @property
    def jobs(self) -> Iterator[Job]:
        """Those that can be, without a search."""
        return (one.job for one in self.each if isinstance(one.job, Job))


def search_combinations(job: Job, *heads: str) -> Combinations:
    """Return combinations of the dimensions under these fields; of very many some of everywhere."""
    if job.search is None:
        return Combinations((Combination({}, job),), frozenset(), whole=True)
    space = _dimensions_under(job, heads)
    values = {
        path: _representative_values(job, path, dimension) for path, dimension in space.items()
    }
    lists = [each for each, _ in values.values()]
    points = [
        dict(zip(values, combination(lists, number), strict=True))
        for number in spread_combinations(lists, _MOST)
    ]
    whole = combination_count(lists) <= _MOST and all(
        none_missed for _, none_missed in values.values()
    )
    listed = frozenset(path for path, each in space.items() if not isinstance(each, Range))
    return Combinations(
        tuple(Combination(point, _job_or_error(job, point)) for point in points), listed, whole
    )


def same_combinations(job: Job, heads: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether the search varies the same fields under both heads.

    It is asked because combinations take long to make.
    """
    return _dimensions_under(job, heads).keys() == _dimensions_under(job, others).keys()


def needs_outputs(job: Job) -> bool:
    """Return whether a student of the job, or of a trial of it, learns from teacher outputs."""
    every = search_combinations(job, "objective", "intermediate.objective")
    if every.whole and not any(isinstance(one.job, BadSpec) for one in every.each):
        return any(variant.needs_outputs for variant in every.jobs)
    # combinations of what is learnt: a term may need another beside it
    learning = (
        search_combinations(job, head).jobs for head in ("objective", "intermediate.objective")
    )
    return any(variant.needs_outputs for variant in chain([job], single_value_jobs(job), *learning))


def _dimensions_under(job: Job, heads: Iterable[str]) -> dict[str, Dimension]:
    space = job.search.space if job.search else {}
    within = tuple(f"{head}." for head in heads)
    return {path: each for path, each in space.items() if f"{path}.".startswith(within)}


def _job_or_error(job: Job, values: Mapping[str, Any]) -> Job | BadSpec:
    try:
        return job_with_values(job, values)
    except BadSpec as error:
        return error


def _representative_values(job: Job, path: str, dimension: Dimension) -> tuple[Sequence[Any], bool]:
    """Return values that stand for all of a dimension, and whether they do."""
    if isinstance(dimension, Range):
        if not takes_whole_numbers(job, path):
            return listed_values(dimension), True
        every = range(int(dimension.low), int(dimension.high) + 1)
        return (every, True) if len(every) <= _MOST else (listed_values(dimension), False)
    numbers = [one for one in dimension if isinstance(one, int | float)]
    if len(numbers) < len(dimension) or takes_whole_numbers(job, path):
        return dimension, True
    return sorted({min(numbers), max(numbers)}), True
