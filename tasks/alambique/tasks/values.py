"""Whether the values of a search make students that can be trained: tried before anything is."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from alambique.spec.errors import BadSpec
from alambique.spec.job import Job
from alambique.spec.space import alone_values, combined, laid_over, looks_at_all

_VARIED = ("student", "objective", "intermediate")
"""What decides whether a term can compare two networks."""


def check_values(job: Job, student: Callable[[Job], object]) -> None:
    """Nothing, where each value of what students are taught fits some student of the search.

    Args:
        job: whose search it is; without one there is nothing to try.
        student: makes the student of a job, or refuses.

    Raises:
        BadSpec: a value fits none, such as heads that do not divide a width.
    """
    for path, value in alone_values(job):
        if path.startswith(("objective", "intermediate")):
            _check(job, path, value, student)


def _check(job: Job, path: str, value: Any, student: Callable[[Job], object]) -> None:
    first: BadSpec | None = None
    for values in _around(job):
        try:
            student(laid_over(job, values | {path: value}))
        except BadSpec as error:
            first = first or error
        else:
            return
    if not all(looks_at_all(job, field) for field in _VARIED):
        return  # it may fit one of those that were not looked at
    assert first is not None  # the job itself was tried
    raise BadSpec(f"search.space.{path}: {value}: {first}") from first


def _around(job: Job) -> Iterator[dict[str, Any]]:
    """Values of other dimensions; none of them at first."""
    return chain([{}], *(combined(job, field) for field in _VARIED))
