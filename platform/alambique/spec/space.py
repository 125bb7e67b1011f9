"""The space of a search, laid over its job: each combination of values makes another job."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pydantic import ValidationError

from alambique.spec.alpha import balanced, balanced_terms, weights, with_field
from alambique.spec.combinations import count
from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short
from alambique.spec.faults import BadField, BadFields, bad_fields, refuse
from alambique.spec.job import Job
from alambique.spec.objective import Term
from alambique.spec.search import Dimension, Range, Search

_SPACE = "search.space"
_FIRST = "intermediate"
_VARIED = ("student", "train", "objective", _FIRST)
"""The fields of a job that a search may reach into."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A field that takes one of these values."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """A field that takes any number between two, both included."""

    path: str
    low: float
    high: float
    log: bool
    whole: bool
    """Whether it takes whole numbers only."""


Axis = Listed | Between


def axes(job: Job) -> tuple[Axis, ...]:
    """The dimensions of a job's search, in their order; of ranges it is known what they hold."""
    space = job.search.space if job.search else {}
    return tuple(_axis(job, path, dimension) for path, dimension in space.items())


def lists(axes: Iterable[Axis]) -> list[Sequence[Any]] | None:
    """All values of each dimension; None where one takes any number between two."""
    found = [_values(axis) for axis in axes]
    known = [values for values in found if values is not None]
    return known if len(known) == len(found) else None


def size(search: Search, axes: Iterable[Axis]) -> int:
    """How many trials a search has at most: no combination is tried twice."""
    values = lists(axes)
    known = (search.trials, None if values is None else count(values))
    return min((number for number in known if number is not None), default=0)


def _values(axis: Axis) -> Sequence[Any] | None:
    if isinstance(axis, Listed):
        return axis.values
    return range(int(axis.low), int(axis.high) + 1) if axis.whole else None


def laid_over(job: Job, values: Mapping[str, Any]) -> Job:
    """The job of a trial: these values in its fields, and no search.

    Raises:
        BadSpec: it cannot be, each bad field on a line of its own; its cause is `BadFields`.
    """
    # the teachers are left as they are, which no search varies: to look at candidates and all their
    # runs takes long, and a search may have many combinations
    content = job.model_dump(mode="json", exclude={"search", "teacher"}) | {"teacher": job.teacher}
    for path, value in values.items():
        content = with_field(content, _place(content, path), value)
    try:
        return Job.model_validate(content)
    except ValidationError as error:
        refuse(bad_fields(error, content, Job))


def alone(job: Job) -> Iterator[Job]:
    """The job with each value of each dimension, or with either end of it, where that can be."""
    space = job.search.space if job.search else {}
    for path, dimension in space.items():
        for value in ends(dimension):
            with suppress(BadSpec):  # only together with the value of another dimension
                yield laid_over(job, {path: value})


def faults(job: Job) -> list[BadField]:
    """What is wrong with the space of a job's search, at most one fault for each dimension.

    A value is tried in the job as it stands. A fault that another dimension may cure, since it
    varies a part of what is wrong, is left to the trials: those that cannot be fail alone.
    """
    space = job.search.space if job.search else {}
    found = (_fault(job, path, dimension) for path, dimension in space.items())
    return [bad for bad in found if bad is not None]


def _fault(job: Job, path: str, dimension: Dimension) -> BadField | None:
    assert job.search is not None
    if why := _misplaced(path):
        return BadField(f"{_SPACE}.{path}", None, why)
    try:
        place = _placed(job, path)
    except BadSpec as error:
        return BadField(f"{_SPACE}.{path}", None, str(error))
    around = dict(_around(job, path))
    own = _occupied(job, path)
    if above := [other for other, places in around.items() if _meet(own, places)]:
        return BadField(f"{_SPACE}.{path}", None, f"{above[0]} is varied too: keep one of the two")
    if job.search.sampler == "grid" and isinstance(dimension, Range):
        return BadField(
            f"{_SPACE}.{path}",
            f"{dimension.low:g} to {dimension.high:g}",
            "a grid tries listed values, and this is a range: list them, or say sampler: random",
        )
    for value in ends(dimension):
        for bad in _refused(job, path, value):
            others = chain.from_iterable(around.values())
            if not any(_within(other, bad.path) for other in others):
                message = bad.message if bad.path == place else f"{bad.path}: {bad.message}"
                return BadField(f"{_SPACE}.{path}", short(value), message)
    return None


def _around(job: Job, path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The other dimensions, each with the places of the job that it sets."""
    others = job.search.space if job.search else {}
    for other in others:
        if other != path and not _misplaced(other):
            with suppress(BadSpec):  # which is that one's fault
                yield other, _occupied(job, other)


def _meet(own: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a place is another one, or a part of it."""
    return any(f"{place}.".startswith(f"{other}.") for place in own for other in others)


def _misplaced(path: str) -> str | None:
    """Why no search varies that field."""
    head, _, rest = path.partition(".")
    if head == "train" and not rest:
        return "name one of the fields of train, such as train.learning_rate"
    if head in ("objective", _FIRST) and path.endswith(".name"):
        return "a term is found by its name, which teaches nothing: vary another field of it"
    if head in _VARIED:
        return None
    if head in ("teacher", "data", "task"):
        return (
            f"a search varies the student, its training and its objective, and {head} is shared "
            "by all trials: several of them are a suite (alambique suites submit)"
        )
    if head in Job.model_fields:
        return f"a search varies {', '.join(_VARIED)}: {head} is the same for all trials"
    return f"no such field: a search varies {', '.join(_VARIED)}, such as student.layers"


def _placed(job: Job, path: str) -> str:
    return _place(_objectives(job), path)


def _occupied(job: Job, path: str) -> tuple[str, ...]:
    """The places of the job that a dimension sets: of alpha two weights."""
    objective = balanced(path)
    if objective is None:
        return (_placed(job, path),)
    return tuple(weights(objective, _terms(_objectives(job), objective)))


def _objectives(job: Job) -> dict[str, Any]:
    """What the terms of a job are, and are called, where the job has them."""
    first = job.intermediate.objective if job.intermediate else ()
    return {"objective": _called(job.objective), _FIRST: {"objective": _called(first)}}


def _called(terms: Iterable[Term]) -> list[dict[str, str]]:
    return [{"kind": term.kind, "name": term.label} for term in terms]


def _terms(content: Mapping[str, Any], path: str) -> Any:
    """The terms of the objective that a path is in."""
    outer = content.get(_FIRST) or {} if path.startswith(f"{_FIRST}.") else content
    return outer.get("objective", ())


def _place(content: Mapping[str, Any], path: str) -> str:
    """The path with the number of a term in the place of its name, or kind; that of alpha as it is.

    Raises:
        BadSpec: there is no such term, or there are none that alpha weighs.
    """
    if (objective := balanced(path)) is not None:
        balanced_terms(_terms(content, objective))
        return path
    first = path.startswith(f"{_FIRST}.")
    head, _, rest = path.removeprefix(f"{_FIRST}.").partition(".")
    label, _, field = rest.partition(".")
    if head != "objective" or not label or label.isdecimal():
        return path
    labels = [term.get("name") or term.get("kind") for term in _terms(content, path)]
    if label not in labels:
        raise BadSpec(
            f"the objective has no term {label}, it has {', '.join(map(str, labels)) or 'none'}: "
            "add the term, or vary the whole objective"
        )
    return ".".join(filter(None, (_FIRST if first else "", head, str(labels.index(label)), field)))


def _refused(job: Job, path: str, value: object) -> tuple[BadField, ...]:
    """What is wrong with the job that has that value there."""
    try:
        start = laid_over(job, {path: value}).student.start
    except BadSpec as error:
        if isinstance(error.__cause__, BadFields):
            return error.__cause__.fields
        return (BadField(_placed(job, path), None, str(error)),)
    if start in ("teacher", "random", job.student.start):
        return ()
    why = (
        "a search starts students from teacher, from random or from the one model that the job "
        "names: several models are the students of a suite"
    )
    return (BadField("student.start", None, why),)


def _within(path: str, outer: str) -> bool:
    """Whether a field is a part of another; `job` is all of it."""
    return outer == "job" or path.startswith(f"{outer}.")


def ends(dimension: Dimension) -> tuple[Any, ...]:
    """The values of a list, or the ends of a range."""
    if isinstance(dimension, Range):
        return plain(dimension.low), plain(dimension.high)
    return dimension


def plain(number: float) -> float | int:
    """The number as a field of whole numbers takes it, where it is one."""
    return int(number) if number.is_integer() else number


def _axis(job: Job, path: str, dimension: Dimension) -> Axis:
    if not isinstance(dimension, Range):
        return Listed(path, dimension)
    low, high = dimension.low, dimension.high
    return Between(path, low, high, dimension.log, is_whole(job, path, low, high))


def is_whole(job: Job, path: str, low: float, high: float) -> bool:
    """Whether the field takes whole numbers only: both of these, and nothing between two such."""
    if not (float(low).is_integer() and float(high).is_integer()):
        return False
    # between the two, whatever else bounds the field
    refused = _refused(job, path, low + 0.5)
    return any(bad.path == _placed(job, path) for bad in refused)
