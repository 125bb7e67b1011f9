"""Makes the jobs of a suite from its parts, and finds the part that each field comes from."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from alambique.spec import general
from alambique.spec.errors import BadSpec
from alambique.spec.field_errors import NAMED, BadField, BadFields, refuse
from alambique.spec.field_paths import weights, with_field
from alambique.spec.fields import LETTERS
from alambique.spec.job import Job
from alambique.spec.reading import job_of
from alambique.spec.suite import ONE_TEACHER, Cell, Suite
from alambique.spec.teacher import Teacher
from alambique.spec.validation_cost import MAX_COST, validation_cost

Content = dict[str, Any]
"""Fields of a job that are not validated yet."""
Teachers = dict[tuple[str, str], Teacher]
"""Validated teachers, by the names of their task and of themselves."""
_MAX_STORED = 32 << 20
"""Characters of all jobs of a suite, which one transaction stores."""
_MAX_REFUSED = 100
"""Cells that are refused before the rest is skipped: cells are mostly refused alike."""


def jobs_of(suite: Suite) -> tuple[tuple[Cell, Job], ...]:
    """Return the jobs of a suite, each with its cell.

    All jobs of a task, a teacher and a student have one name: their models become versions of one.

    Raises:
        BadSpec: a job is not valid; the `fields` of the error are fields of the suite.
    """
    jobs, wrong = list[tuple[Cell, Job]](), dict[str, BadField]()
    known, judged = Teachers(), set[str]()
    cost = refused = stored = 0
    for number, cell in enumerate(suite.cells()):
        if len(wrong) > NAMED or refused == _MAX_REFUSED:
            break
        try:
            content = _content(suite, cell)
            # the remaining jobs count as this one: a suite that is too large is refused early
            cost += (one := validation_cost(content))
            if cost + one * (suite.size - number - 1) > MAX_COST:
                wrong = {"": _cost_fault(suite, one)}
                break
            stored += (length := len(json.dumps(content, default=str)))
            if stored + length * (suite.size - number - 1) > _MAX_STORED:
                wrong = {"": _size_fault(suite, length)}
                break
            wrong |= {bad.path: bad for bad in _covered_faults(suite, cell, content, judged)}
            jobs.append((cell, _read_job(cell, content, known)))
        except BadSpec as error:
            refused += 1
            for bad in _fields_of(error):
                placed = _locate_fault(suite, cell, bad, known)
                wrong.setdefault(placed.path, placed)
    if not wrong:
        wrong |= {
            bad.path: bad for bad in (*_shared_name_faults(jobs), *_mixed_general_faults(jobs))
        }
    if wrong:
        refuse(tuple(wrong.values()))
    return tuple(jobs)


def _cost_fault(suite: Suite, one: int) -> BadField:
    message = (
        f"{suite.size:,} jobs, of which one has {one:,} names and values to validate, for each "
        f"value of its search anew, are too many: expected at most {MAX_COST:,} together; leave "
        "out cells, or values"
    )
    return BadField("suite", None, message)


def _size_fault(suite: Suite, length: int) -> BadField:
    message = (
        f"{suite.size:,} jobs, of which one has {length:,} characters, are too many: a suite "
        f"stores at most {_MAX_STORED:,} together; leave out cells, or what their parts say"
    )
    return BadField("suite", None, message)


def _read_job(cell: Cell, content: Content, known: Teachers) -> Job:
    """Return the job of that content, whose teacher it shares with other cells.

    Validating a teacher expands its grid, which takes milliseconds: it is done once.
    """
    names = cell.task, cell.teacher
    if names not in known:
        with suppress(ValidationError):  # reading the job reports it, by its fields
            known[names] = Teacher.model_validate(content["teacher"])
    job = job_of(content | {"teacher": known[names]} if names in known else content)
    if len(job.teachers) > 1:  # a row of the suite's table has one teacher
        refuse([BadField("teacher", None, ONE_TEACHER)])
    return job


def _fields_of(error: BadSpec) -> Sequence[BadField]:
    assert error.fields  # every error of a job's content names some
    return error.fields


def _mixed_general_faults(jobs: Sequence[tuple[Cell, Job]]) -> Iterator[BadField]:
    """Yield a fault for each general distillation in a suite with other tasks.

    The table has the mean of all scores, and its score is no measure of a task.
    """
    tasks = {cell.task: job.task for cell, job in jobs}
    if set(tasks.values()) == {general.NAME}:
        return
    for name, task in tasks.items():
        if task == general.NAME:
            yield BadField(
                f"tasks.{name}",
                repr(task),
                f"{task} distillation has no score on a task, of which the table has the mean: "
                "give it a suite of its own, and let students of this one start from its models",
            )


def _shared_name_faults(jobs: Sequence[tuple[Cell, Job]]) -> Iterator[BadField]:
    """Yield a fault for each cell whose models would become versions of another cell's model."""
    first: dict[str | None, Cell] = {}
    for cell, job in jobs:
        known = first.setdefault(job.name, cell)
        if (known.task, known.teacher, known.student) != (cell.task, cell.teacher, cell.student):
            yield BadField(
                f"tasks.{cell.task}",
                repr(job.name),
                f"that would be the name of the jobs of {known.task} with {known.student} and of "
                f"{cell.task} with {cell.student}: give one of them another name",
            )


def _locate_fault(suite: Suite, cell: Cell, bad: BadField, known: Teachers) -> BadField:
    """Return the fault of a cell's job, at the field of the suite that causes it."""
    name = _job_name(suite, cell)
    if bad.path == "name" and len(name) > LETTERS:
        parts = ("task, teacher" if len(suite.teachers) > 1 else "task") + " or student"
        return BadField(
            "name",
            None,
            f"the jobs would be called {name}, {len(name)} letters, at most {LETTERS}: shorten the "
            f"name of the suite, {parts}",
        )
    path = _grid_path(suite, cell, bad, known) or field_at(suite, cell, bad.path)
    return BadField(path, bad.found, bad.message)


def _grid_path(suite: Suite, cell: Cell, bad: BadField, known: Teachers) -> str | None:
    """Return the field of the grid that causes a fault; None if none of them does."""
    for point in cell.point:
        if bad.path != "job" and not point.startswith(f"{bad.path}."):
            continue
        others = {path: value for path, value in cell.point.items() if path != point}
        without = cell.model_copy(update={"point": others})
        try:
            _read_job(without, _content(suite, without), known)
        except BadSpec as error:
            if (bad.path, bad.message) in [(one.path, one.message) for one in _fields_of(error)]:
                continue
        return f"{cell.grid}.{point}"
    return None


def field_at(suite: Suite, cell: Cell, path: str) -> str:
    """Return the field of the suite that sets, or would set, a field of a cell's job."""
    if path == "name":
        return "name"
    if path == "job":  # a fault of the job as a whole
        return f"tasks.{cell.task}"
    for point in cell.point:
        if path == point or path.startswith(f"{point}."):
            return f"{cell.grid}.{point}"
    if path.startswith("grids."):
        return path
    head, _, rest = path.partition(".")
    places = [
        (_depth(part, path), f"{where}.{path}") for where, part in _lower_parts(suite, cell)[::-1]
    ]
    for kind, name, parts in (
        ("teacher", cell.teacher, suite.teachers),
        ("student", cell.student, suite.students),
    ):
        if head == kind:
            # a named part is the place of such a field, even while it is empty
            depth = 1 + _depth(parts[name], rest) if parts[name] else 0.5
            places.insert(0, (depth, ".".join(filter(None, (f"{kind}s", name, rest)))))
    return max(places, key=lambda place: place[0])[1]


def _depth(part: Any, path: str) -> float:
    """Return how many leading names of a path the part has, nested in that order."""
    head, _, rest = path.partition(".")
    if isinstance(part, list) and head.isdecimal() and int(head) < len(part):
        return 1 + _depth(part[int(head)], rest)
    if isinstance(part, Mapping) and head in part:
        return 1 + _depth(part[head], rest)
    # a data set given by its name alone, in place of a mapping
    return 1 if isinstance(part, str) and path == "name" else 0


def _lower_parts(suite: Suite, cell: Cell) -> list[tuple[str, Content]]:
    """Return the parts of the lowest precedence, lowest first, each with its field of the suite."""
    return [("shared", suite.shared), (f"tasks.{cell.task}", suite.tasks[cell.task])]


def _content(suite: Suite, cell: Cell) -> Content:
    """Return the content of a cell's job, which is not validated yet.

    Raises:
        BadSpec: the grid names a field that the job lacks, which is in its `fields`.
    """
    content: Content = {}
    for _, part in _lower_parts(suite, cell):
        content = _with_data(_merge(content, part), content, part)
    own = {"teacher": suite.teachers[cell.teacher], "student": suite.students[cell.student]}
    content = _merge(content, own)
    if cell.seed is not None:
        # a job may train a student twice: first on intermediate layers
        train = {"train": {"seed": cell.seed}}
        first = {"intermediate": train} if content.get("intermediate") else {}
        content = _merge(content, train | first)
    content = content | _compare_fields(suite, cell, content)
    for path, value in cell.point.items():
        content = _with_grid_value(content, path, value)
    _check_weights_once(content, cell.point)
    return content | {"name": _job_name(suite, cell), "project": suite.project}


def _compare_fields(suite: Suite, cell: Cell, content: Content) -> Content:
    """Return the fields that divide students between jobs, if a baseline has its own grid.

    Raises:
        BadSpec: no job compares with that baseline, which is in its `fields`.
    """
    if not suite.grids:
        return {}
    compare = content.get("compare")
    compared = compare if isinstance(compare, list | tuple) else ()
    for name in suite.grids:
        if name not in compared:
            message = f"the jobs of {cell.task} do not train it: add compare: [{name}] to shared"
            refuse([BadField(f"grids.{name}", None, message)])
    if cell.tuned:
        return {"compare": [cell.tuned], "distil": False}
    return {"compare": [name for name in compared if name not in suite.grids]}


def _job_name(suite: Suite, cell: Cell) -> str:
    several = (f"-{cell.teacher}",) if len(suite.teachers) > 1 else ()
    return f"{suite.name}-{cell.task}{''.join(several)}-{cell.student}"


def _with_grid_value(content: Content, path: str, value: object) -> Content:
    try:
        return with_field(content, path, value)
    except BadSpec as error:
        raise error.with_fields(BadFields([BadField(path, None, str(error))])) from None


def _check_weights_once(content: Content, point: Mapping[str, object]) -> None:
    """Raise `BadSpec` if a point sets alpha and one of the two weights that it stands for."""
    if "objective.alpha" not in point:
        return
    for weight in weights("objective", content["objective"]):
        if twice := [
            one
            for one in point
            if f"{weight}.".startswith(f"{one}.") or one.startswith(f"{weight}.")
        ]:
            message = f"{twice[0]} is varied too: keep one of the two"
            refuse([BadField("objective.alpha", None, message)])


def _with_data(content: Content, below: Content, part: Content) -> Content:
    """Return the content with the data of `part` as a mapping, if `part` gives it by its name.

    It keeps the limit of the part below, but not its test set: a name stands for a whole data set.
    """
    data, known = part.get("data"), below.get("data")
    if not isinstance(data, str):
        return content
    limit = known.get("limit", {}) if isinstance(known, Mapping) else {}
    return content | {"data": {"name": data, "limit": limit}}


def _merge(below: Any, above: Any) -> Any:
    """Return two parts merged: mappings field by field, of other values the upper one."""
    if above == {} and below is not None:
        return below
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    both = {key: _merge(below[key], above[key]) for key in below.keys() & above.keys()}
    return below | above | both


def _covered_faults(
    suite: Suite, cell: Cell, content: Content, judged: set[str]
) -> Iterator[BadField]:
    """Yield the faults of values in lower parts that upper parts override entirely.

    Args:
        suite: the suite, with all parts.
        cell: the cell, which names its parts.
        content: the merged content of the cell's job.
        judged: the fields of the suite that were validated already; those that are now are added.
    """
    for where, part in _lower_parts(suite, cell):
        found: dict[str, tuple[tuple[str, ...], object]] = {}
        for path, value in _covered_values(part, content):
            if (place := ".".join((where, *path))) not in judged:
                judged.add(place)
                found[".".join(path)] = path, value
        # validating means the whole job: all values at once, then each that seems wrong alone
        for bad in _faults(_merge(content, _nest(found.values()))) if found else ():
            if bad.path in found:
                alone = _faults(_with_value(content, *found[bad.path]))
                if any(one.path == bad.path for one in alone):
                    yield BadField(f"{where}.{bad.path}", bad.found, bad.message)


def _nest(values: Iterable[tuple[Sequence[str], object]]) -> Content:
    """Return a mapping with values at their paths, of which none is a part of another."""
    whole: Content = {}
    for (*above, last), value in values:
        inner = whole
        for head in above:
            inner = inner.setdefault(head, {})
        inner[last] = value
    return whole


def _covered_values(part: Content, whole: Content) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield each single value of a part, with its path, where the whole has a mapping instead."""
    for key, value in part.items():
        upper = whole.get(key)
        if isinstance(upper, dict) and isinstance(value, dict):
            for path, inner in _covered_values(value, upper):
                yield (key, *path), inner
        elif isinstance(upper, dict) and value is not None:
            yield (key,), value


def _with_value(content: Content, path: Sequence[str], value: object) -> Content:
    head, *rest = path
    return content | {head: _with_value(content[head], rest, value) if rest else value}


def _faults(content: Content) -> Sequence[BadField]:
    try:
        job_of(content)
    except BadSpec as error:
        return _fields_of(error)
    return ()
