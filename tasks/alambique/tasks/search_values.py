"""Whether the values of a search make students that can be trained, checked before a job runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from alambique.spec.combinations import (
    Combination,
    Combinations,
    same_combinations,
    search_combinations,
)
from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short
from alambique.spec.field_errors import BadField, refuse
from alambique.spec.job import Job

NETWORKS = ("student", "objective", "intermediate")
"""What decides together whether a student can be made, and be taught so."""
_ALL = (*NETWORKS, "train")


def checked_combinations(job: Job) -> Combinations:
    """Return the combinations of values that decide whether a student can be made and taught.

    Raises:
        BadSpec: a value makes no job with any of the others, such as a stride as long as every
            window.
    """
    every = search_combinations(job, *_ALL)
    check_values(every, lambda _: None)
    return every if same_combinations(job, _ALL, NETWORKS) else search_combinations(job, *NETWORKS)


def check_values(looked_at: Combinations, fits: Callable[[Job], object]) -> None:
    """Check that each value that is listed fits some values of the other dimensions.

    A combination that does not is left to the trials, and so is a number of a range. So is
    everything, where there are more combinations than are looked at.

    Args:
        looked_at: of a job without a search, or with one that varies other things, that job alone.
        fits: refuses a job.

    Raises:
        BadSpec: a value fits none, such as heads that do not divide a width, or nothing fits.
    """
    if not looked_at.whole:
        return
    checked = [_CheckedCombination(one, _misfit(one, fits)) for one in looked_at.each]
    if all(one.why for one in checked):
        _refuse_all(checked[0])
    able = {pair for one in checked if one.why is None for pair in one.pairs}
    for one in checked:
        for path, value in one.pairs:
            if path in looked_at.listed and (path, value) not in able:
                refuse([BadField(f"search.space.{path}", value, str(one.why))])


@dataclass(frozen=True, slots=True)
class _CheckedCombination:
    combination: Combination
    why: BadSpec | None
    """Why it does not fit."""

    @property
    def pairs(self) -> Iterator[tuple[str, str]]:
        """Each field with its value, in words."""
        return ((path, short(value, limit=200)) for path, value in self.combination.values.items())


def _misfit(one: Combination, fits: Callable[[Job], object]) -> BadSpec | None:
    if isinstance(one.job, BadSpec):
        return one.job
    try:
        fits(one.job)
    except BadSpec as error:
        return error
    return None


def _refuse_all(first: _CheckedCombination) -> None:
    """Refuse all combinations; the reason may be in no value, but in the job itself."""
    assert first.why is not None
    if not first.combination.values:
        raise first.why
    example = ", ".join(f"{path}: {value}" for path, value in first.pairs)
    message = f"no combination of its values can be trained, such as {example}: {first.why}"
    refuse([BadField("search.space", None, message)])
