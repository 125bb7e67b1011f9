"""The space of a search, laid over its job: each combination of values makes another job."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from math import prod
from random import Random
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short
from alambique.spec.field_errors import BadField, bad_fields, refuse
from alambique.spec.field_paths import alpha_objective, balanced_terms, weights, with_field
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
    """Return the dimensions of a job's search, in their order, with what their fields take."""
    space = job.search.space if job.search else {}
    return tuple(_axis(job, path, dimension) for path, dimension in space.items())


def _axis(job: Job, path: str, dimension: Dimension) -> Axis:
    if not isinstance(dimension, Range):
        return Listed(path, dimension)
    whole = takes_whole_numbers(job, path)
    return Between(path, dimension.low, dimension.high, dimension.log, whole)


def value_lists(axes: Iterable[Axis]) -> list[Sequence[Any]] | None:
    """Return all values of each dimension; None where one takes any number between two."""
    lists = [_value_list(axis) for axis in axes]
    known = [values for values in lists if values is not None]
    return known if len(known) == len(lists) else None


def _value_list(axis: Axis) -> Sequence[Any] | None:
    if isinstance(axis, Listed):
        return axis.values
    return range(int(axis.low), int(axis.high) + 1) if axis.whole else None


def trial_count(search: Search, axes: Iterable[Axis]) -> int:
    """Return how many trials a search has at most: no combination is tried twice."""
    lists = value_lists(axes)
    limits = (search.trials, None if lists is None else combination_count(lists))
    return min((limit for limit in limits if limit is not None), default=0)


def combination_count(lists: Sequence[Sequence[Any]]) -> int:
    """Return how many combinations there are of a value from each list."""
    return prod(map(len, lists))


def combination(lists: Sequence[Sequence[Any]], number: int) -> tuple[Any, ...]:
    """Return one combination by its number, counted from 0; the last list changes first.

    >>> [combination(("ab", "xyz"), number) for number in (0, 1, 3)]
    [('a', 'x'), ('a', 'y'), ('b', 'x')]
    """
    values = []
    for each in reversed(lists):
        number, index = divmod(number, len(each))
        values.append(each[index])
    return tuple(reversed(values))


def spread_combinations(lists: Sequence[Sequence[Any]], most: int) -> Iterable[int]:
    """Return the numbers of all combinations; of very many the first, the last, and random ones.

    >>> list(spread_combinations(("ab", "xyz"), 6))
    [0, 1, 2, 3, 4, 5]
    """
    total, random = combination_count(lists), Random(0)  # always the same ones
    if total <= most:
        return range(total)
    # not by sample, for which there may be too many
    return sorted({0, total - 1, *(random.randrange(total) for _ in range(most - 2))})


def job_with_values(job: Job, values: Mapping[str, Any]) -> Job:
    """Return the job of a trial: these values in its fields, and no search.

    Raises:
        BadSpec: it cannot be, each bad field on a line of its own and in its `fields`.
    """
    # the teachers are left as they are, which no search varies: to look at candidates and all their
    # runs takes long, and a search may have many combinations
    content = job.model_dump(mode="json", exclude={"search", "teacher"}) | {"teacher": job.teacher}
    for path, value in values.items():
        content = with_field(content, _numbered_path(content, path), value)
    try:
        return Job.model_validate(content)
    except ValidationError as error:
        refuse(bad_fields(error, content, Job))


def single_value_jobs(job: Job) -> Iterator[Job]:
    """Yield the job with each value, or end, of each dimension by itself, where that can be."""
    space = job.search.space if job.search else {}
    for path, dimension in space.items():
        for value in listed_values(dimension):
            with suppress(BadSpec):  # only together with the value of another dimension
                yield job_with_values(job, {path: value})


def listed_values(dimension: Dimension) -> tuple[Any, ...]:
    """Return the values of a list, or the ends of a range."""
    if isinstance(dimension, Range):
        return int_if_whole(dimension.low), int_if_whole(dimension.high)
    return dimension


def int_if_whole(number: float) -> float | int:
    """Return the number as a field of whole numbers takes it, where it is one."""
    return int(number) if number.is_integer() else number


def takes_whole_numbers(job: Job, path: str) -> bool:
    """Return whether the field at a path of a job is declared to take whole numbers only."""
    if alpha_objective(path) is not None:
        return False
    types = _declared_types(Job, job, _job_path(job, path).split("."))
    return float not in types and bool(types & {int, bool})


def _declared_types(annotation: Any, value: object, path: Sequence[str]) -> set[Any]:
    """Return the types that a field is declared to take, each member of a union by itself.

    Args:
        annotation: of what the path begins in.
        value: what the job has there; of a union of records it says which one the path is in.
        path: the parts of the path from there to the field.
    """
    types = {type(value)} if isinstance(value, BaseModel) else _union_members(annotation)
    if not path:
        return types
    head, *rest = path
    inner = (_inner_annotation(one, head) for one in types)
    return {
        found
        for one in inner
        if one is not None
        for found in _declared_types(one, _inner_value(value, head), rest)
    }


def _union_members(annotation: Any) -> set[Any]:
    """Return what an annotation is made of, without bounds and validators."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _union_members(arguments[0])
    if origin in (Union, UnionType):
        return {member for each in arguments for member in _union_members(each)}
    return {annotation}


def _inner_annotation(outer: Any, part: str) -> Any:
    """Return the annotation of a field of a record, or an item of a tuple; None: it has none."""
    if isinstance(outer, type) and issubclass(outer, BaseModel):
        field = outer.model_fields.get(part)
        return field and field.annotation
    items = get_args(outer) if get_origin(outer) is tuple and part.isdecimal() else ()
    if items[1:] == (...,):
        return items[0]
    return items[int(part)] if items and int(part) < len(items) else None


def _inner_value(outer: object, part: str) -> object:
    """Return what a record has in a field, or a tuple at an index; None where there is nothing."""
    if isinstance(outer, tuple) and part.isdecimal():
        return outer[int(part)] if int(part) < len(outer) else None
    return getattr(outer, part, None) if isinstance(outer, BaseModel) else None


def bad_dimensions(job: Job) -> list[BadField]:
    """Return what is wrong with the space of a job's search, at most one fault for each dimension.

    A value is tried in the job as it stands. A fault that another dimension may cure, since it
    varies a part of what is wrong, is left to the trials: those that cannot be fail alone.
    """
    space = job.search.space if job.search else {}
    faults = (_fault(job, path, dimension) for path, dimension in space.items())
    return [fault for fault in faults if fault is not None]


def _fault(job: Job, path: str, dimension: Dimension) -> BadField | None:
    assert job.search is not None
    if why := _why_not_varied(path):
        return BadField(f"{_SPACE}.{path}", None, why)
    try:
        place = _job_path(job, path)
    except BadSpec as error:
        return BadField(f"{_SPACE}.{path}", None, str(error))
    others = dict(_other_places(job, path))
    own = _places(job, path)
    if above := [other for other, places in others.items() if _overlaps(own, places)]:
        return BadField(f"{_SPACE}.{path}", None, f"{above[0]} is varied too: keep one of the two")
    if job.search.sampler == "grid" and isinstance(dimension, Range):
        return BadField(
            f"{_SPACE}.{path}",
            f"{dimension.low:g} to {dimension.high:g}",
            "a grid tries listed values, and this is a range: list them, or say sampler: random",
        )
    for value in listed_values(dimension):
        for bad in _refused_fields(job, path, value):
            if not any(_is_within(other, bad.path) for other in chain(*others.values())):
                message = bad.message if bad.path == place else f"{bad.path}: {bad.message}"
                return BadField(f"{_SPACE}.{path}", short(value), message)
    return None


def _other_places(job: Job, path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the other dimensions, each with the places of the job that it sets."""
    others = job.search.space if job.search else {}
    for other in others:
        if other != path and not _why_not_varied(other):
            with suppress(BadSpec):  # which is that one's fault
                yield other, _places(job, other)


def _overlaps(own: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether a place of our own is one of the others, or a part of it."""
    return any(f"{place}.".startswith(f"{other}.") for place in own for other in others)


def _why_not_varied(path: str) -> str | None:
    """Return why no search varies that field; None where one may."""
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


def _job_path(job: Job, path: str) -> str:
    """Return the path of a dimension as `_numbered_path` does, by the terms that the job has."""
    return _numbered_path(_term_labels(job), path)


def _places(job: Job, path: str) -> tuple[str, ...]:
    """Return the places of the job that a dimension sets: of alpha two weights."""
    objective = alpha_objective(path)
    if objective is None:
        return (_job_path(job, path),)
    return tuple(weights(objective, _terms(_term_labels(job), objective)))


def _term_labels(job: Job) -> dict[str, Any]:
    """Return the kinds and names of the job's terms, each objective where the job has it."""

    def labels(terms: Iterable[Term]) -> list[dict[str, str]]:
        return [{"kind": term.kind, "name": term.label} for term in terms]

    first = job.intermediate.objective if job.intermediate else ()
    return {"objective": labels(job.objective), _FIRST: {"objective": labels(first)}}


def _terms(content: Mapping[str, Any], path: str) -> Any:
    """Return the terms of the objective that a path is in."""
    outer = content.get(_FIRST) or {} if path.startswith(f"{_FIRST}.") else content
    return outer.get("objective", ())


def _numbered_path(content: Mapping[str, Any], path: str) -> str:
    """Return the path with the number of a term for its name or kind; that of alpha stays as it is.

    Raises:
        BadSpec: there is no such term, or there are none that alpha weighs.
    """
    if (objective := alpha_objective(path)) is not None:
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


def _refused_fields(job: Job, path: str, value: object) -> tuple[BadField, ...]:
    """Return what is wrong with the job that has that value there."""
    try:
        start = job_with_values(job, {path: value}).student.start
    except BadSpec as error:
        return error.fields or (BadField(_job_path(job, path), None, str(error)),)
    if start in ("teacher", "random", job.student.start):
        return ()
    why = (
        "a search starts students from teacher, from random or from the one model that the job "
        "names: several models are the students of a suite"
    )
    return (BadField("student.start", None, why),)


def _is_within(path: str, outer: str) -> bool:
    """Return whether a field is a part of another; `job` is all of it."""
    return outer == "job" or path.startswith(f"{outer}.")
