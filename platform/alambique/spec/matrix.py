"""How a suite becomes jobs: its parts laid over each other, and where each field comes from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alambique.spec.errors import BadSpec
from alambique.spec.job import Job
from alambique.spec.reading import BadField, BadFields, job_of, with_value
from alambique.spec.suite import ONE_TEACHER, Cell, Fields, Suite


def jobs_of(suite: Suite) -> tuple[tuple[Cell, Job], ...]:
    """The jobs of a suite, each with its cell.

    All jobs of a task, a teacher and a student have one name: their models become versions of one.

    Raises:
        BadSpec: a job cannot be, by fields that are named where the suite has them; its cause is
            `BadFields`.
    """
    jobs, wrong = list[tuple[Cell, Job]](), dict[str, BadField]()
    for cell in suite.cells():
        try:
            jobs.append((cell, _of_one_teacher(job_of(_content(suite, cell)))))
        except BadSpec as error:
            for bad in _fields_of(error):
                path = field_at(suite, cell, bad.path)
                wrong.setdefault(path, BadField(path, bad.found, bad.message))
    wrong |= {bad.path: bad for bad in _names_twice(jobs)} if not wrong else {}
    if wrong:
        fields = tuple(wrong.values())
        raise BadSpec("\n".join(bad.line for bad in fields)) from BadFields(fields)
    return tuple(jobs)


def _of_one_teacher(job: Job) -> Job:
    """The job, which the table of a suite has columns for."""
    if len(job.teachers) > 1:
        raise BadSpec(ONE_TEACHER) from BadFields([BadField("teacher", None, ONE_TEACHER)])
    return job


def _fields_of(error: BadSpec) -> Sequence[BadField]:
    cause = error.__cause__
    return cause.fields if isinstance(cause, BadFields) else [BadField("job", None, str(error))]


def _names_twice(jobs: Sequence[tuple[Cell, Job]]) -> Iterator[BadField]:
    """A fault for each cell whose models would become versions of another cell's."""
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


def field_at(suite: Suite, cell: Cell, path: str) -> str:
    """Where the suite says what field `path` of a cell's job is; where it would, if nowhere."""
    if path == "name":
        return "name"
    for point in cell.point:
        if path == point or path.startswith(f"{point}."):
            return f"grid.{point}"
    head, _, rest = path.partition(".")
    places = [
        (_depth(part, path), f"{where}.{path}")
        for where, part in (
            (f"tasks.{cell.task}", suite.tasks[cell.task]),
            ("shared", suite.shared),
        )
    ]
    for kind, name, parts in (
        ("teacher", cell.teacher, suite.teachers),
        ("student", cell.student, suite.students),
    ):
        if head == kind:
            # its part is there for that field, though there may be nothing in it
            depth = 1 + _depth(parts[name], rest) if parts[name] else 0.5
            places.insert(0, (depth, ".".join(filter(None, (f"{kind}s", name, rest)))))
    return max(places, key=lambda place: place[0])[1]


def _depth(part: Any, path: str) -> float:
    """How many fields of the path are there, one in the other."""
    head, _, rest = path.partition(".")
    if isinstance(part, list) and head.isdecimal() and int(head) < len(part):
        return 1 + _depth(part[int(head)], rest)
    if isinstance(part, Mapping) and head in part:
        return 1 + _depth(part[head], rest)
    return 0


def _content(suite: Suite, cell: Cell) -> Fields:
    """The job of a cell, not looked at yet.

    Raises:
        BadSpec: the grid names a place that it does not have; its cause is `BadFields`.
    """
    content: Fields = {}
    for part in (suite.shared, suite.tasks[cell.task]):
        content = _with_data(_over(content, part), content, part)
    own = {"teacher": suite.teachers[cell.teacher], "student": suite.students[cell.student]}
    content = _over(content, own)
    if cell.seed is not None:
        content = _over(content, {"train": {"seed": cell.seed}})
    for path, value in cell.point.items():
        content = _varied(content, path, value)
    several = (f"-{cell.teacher}",) if len(suite.teachers) > 1 else ()
    name = f"{suite.name}-{cell.task}{''.join(several)}-{cell.student}"
    return content | {"name": name, "project": suite.project}


def _varied(content: Fields, path: str, value: object) -> Fields:
    try:
        return with_value(content, path, value)
    except BadSpec as error:
        raise error from BadFields([BadField(path, None, str(error))])


def _with_data(content: Fields, below: Fields, part: Fields) -> Fields:
    """The content with data that `part` gives by name as a mapping.

    A limit from below holds for it; another test set does not: who gives data by its name wants
    that data set.
    """
    data, known = part.get("data"), below.get("data")
    if not isinstance(data, str):
        return content
    limit = known.get("limit", {}) if isinstance(known, Mapping) else {}
    return content | {"data": {"name": data, "limit": limit}}


def _over(below: Any, above: Any) -> Any:
    """Two parts laid over each other: of mappings all fields, of anything else the upper one."""
    if above == {} and below is not None:
        return below
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    both = {key: _over(below[key], above[key]) for key in below.keys() & above.keys()}
    return below | above | both
