"""A suite: a matrix of tasks, teachers and students with shared parts, which becomes jobs."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from alambique.spec.errors import BadSpec
from alambique.spec.fields import Name, Spec, Whole
from alambique.spec.job import Job
from alambique.spec.reading import BadField, BadFields, bad_fields, mapping, overridden, yaml_of

LARGEST = 5000
"""Jobs of a suite: more of them than that come of a mistake."""

Part = dict[str, Any]
"""Some fields of a job, which becomes whole once all parts are laid over each other."""
Named = Annotated[dict[Name, Part], Field(min_length=1)]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]

NEEDS = "name, tasks and students"
"""The fields that a suite cannot be without."""

_TEACHER = "teacher"
"""What the only one is called where the suite names none."""


class Cell(Spec):
    """The place of a job in its suite."""

    task: str
    """A name of `Suite.tasks`, like the next two of their kind."""
    teacher: str
    student: str
    point: dict[str, Any] = Field(default_factory=dict)
    """The values of the grid, by the path of their field."""
    seed: int | None = None
    """None: the one that the job's own parts say."""


class Suite(Spec):
    """All that a suite says. It becomes one job for each cell of the matrix."""

    name: Name
    project: Name = "default"
    shared: Part = Field(default_factory=dict)
    """What all jobs have; each of the parts below is laid over it."""
    tasks: Named
    """Fields of a job: its task, its data, and what else is this one's own."""
    teachers: Named = {_TEACHER: {}}  # noqa: RUF012  (pydantic copies it)
    """Fields of `teacher`."""
    students: Named
    """Fields of `student`."""
    grid: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Values of fields, by their path in the job; of its points the one of the lowest validation
    loss stands in the table."""
    seeds: tuple[Seed, ...] = ()
    """Of the students' training; the table has the mean over them."""

    @field_validator("seeds")
    @classmethod
    def _each_once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed is given twice: it would do the same again")
        return seeds

    @model_validator(mode="after")
    def _names_of_its_own(self) -> "Suite":
        parts = {"shared": self.shared} | {
            f"tasks.{name}": part for name, part in self.tasks.items()
        }
        for where, part in parts.items():
            for field in ("name", "project"):
                if field in part:
                    raise ValueError(
                        f"{where}.{field} is for the suite to say: move it beside tasks"
                    )
        return self

    @model_validator(mode="after")
    def _not_too_many(self) -> "Suite":
        if self.size > LARGEST:
            raise ValueError(
                f"the matrix has {self.size:,} cells, and a suite at most {LARGEST:,}: leave out "
                "tasks, teachers, students, seeds or points of the grid"
            )
        return self

    @property
    def size(self) -> int:
        """How many jobs it becomes."""
        count = len(self.tasks) * len(self.teachers) * len(self.students)
        for values in (self.seeds or (None,), *self.grid.values()):
            count *= len(values)
        return count

    def cells(self) -> Iterator[Cell]:
        """All of them, in the order in which they are queued.

        Tasks change fastest: jobs that run side by side have teachers of their own, and need not
        wait for one another's.
        """
        points = product(*self.grid.values())
        outer = product(self.seeds or (None,), points, self.students, self.teachers, self.tasks)
        for seed, point, student, teacher, task in outer:
            at = dict(zip(self.grid, point, strict=True))
            yield Cell(task=task, teacher=teacher, student=student, point=at, seed=seed)


def read_suite(text: str, overrides: Iterable[str] = ()) -> Suite:
    """The suite that a YAML text describes, with each `path=value` of `overrides` set in it.

    Raises:
        BadSpec: the text is not YAML, or a field is wrong; each bad field on a line of its own.
    """
    content = mapping(yaml_of(text, "not a suite file"), "a suite file", NEEDS)
    for override in overrides:
        content = overridden(content, override)
    return suite_of(content)


def suite_of(content: Mapping[str, Any]) -> Suite:
    """The suite that a mapping describes.

    Raises:
        BadSpec: a field is wrong, each bad one on a line of its own; its cause is `BadFields`.
    """
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        fields = bad_fields(error, content, whole="suite")
    raise BadSpec("\n".join(bad.line for bad in fields)) from BadFields(fields)


def jobs_of(suite: Suite) -> tuple[tuple[Cell, Job], ...]:
    """The jobs of a suite, each with its cell.

    All jobs of a task, a teacher and a student have one name: their models become versions of one.

    Raises:
        BadSpec: a job cannot be, by fields that are named where the suite has them; its cause is
            `BadFields`.
    """
    jobs, wrong = list[tuple[Cell, Job]](), dict[str, BadField]()
    for cell in suite.cells():
        content = _content(suite, cell)
        try:
            jobs.append((cell, Job.model_validate(content)))
        except ValidationError as error:
            for bad in bad_fields(error, content):
                path = field_at(suite, cell, bad.path)
                wrong.setdefault(path, BadField(path, bad.found, bad.message))
    if wrong:
        raise BadSpec("\n".join(bad.line for bad in wrong.values())) from BadFields(
            tuple(wrong.values())
        )
    return tuple(jobs)


def field_at(suite: Suite, cell: Cell, path: str) -> str:
    """Where the suite says what field `path` of a cell's job is; where it would, if nowhere."""
    if path in cell.point:
        return f"grid.{path}"
    if path == "name":
        return "name"
    own = _in_own_part(suite, cell, path)
    if own is not None and own[1]:
        return own[0]
    for where, part in ((f"tasks.{cell.task}", suite.tasks[cell.task]), ("shared", suite.shared)):
        if _has(part, path):
            return f"{where}.{path}"
    return own[0] if own is not None else f"tasks.{cell.task}.{path}"


def _in_own_part(suite: Suite, cell: Cell, path: str) -> tuple[str, bool] | None:
    """A field of the teacher or the student by its path in their part, and whether that has it."""
    head, _, rest = path.partition(".")
    match head:
        case "student":
            where, part = f"students.{cell.student}", suite.students[cell.student]
        case "teacher":
            where, part = f"teachers.{cell.teacher}", suite.teachers[cell.teacher]
        case _:
            return None
    return (f"{where}.{rest}", _has(part, rest)) if rest else (where, True)


def _content(suite: Suite, cell: Cell) -> Part:
    """The job of a cell, not looked at yet."""
    several = (f"-{cell.teacher}",) if len(suite.teachers) > 1 else ()
    laid = (
        suite.tasks[cell.task],
        {"teacher": suite.teachers[cell.teacher], "student": suite.students[cell.student]},
        {"train": {"seed": cell.seed}} if cell.seed is not None else {},
        *(_at(path.split("."), value) for path, value in cell.point.items()),
        {
            "name": f"{suite.name}-{cell.task}{''.join(several)}-{cell.student}",
            "project": suite.project,
        },
    )
    content: Part = {}
    for part in (suite.shared, *laid):
        content = _over(content, _data_as_mapping(part))
    return content


def _data_as_mapping(part: Part) -> Part:
    """The part with the short form of `data` written out, so that a limit can be laid over it."""
    data = part.get("data")
    return part | {"data": {"name": data}} if isinstance(data, str) else part


def _over(below: Any, above: Any) -> Any:
    """Two parts laid over each other: of mappings all fields, of anything else the upper one."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    both = {key: _over(below[key], above[key]) for key in below.keys() & above.keys()}
    return below | above | both


def _at(path: list[str], value: Any) -> Part:
    head, *rest = path
    return {head: _at(rest, value) if rest else value}


def _has(part: object, path: str) -> bool:
    head, _, rest = path.partition(".")
    if not isinstance(part, Mapping) or head not in part:
        return False
    return not rest or _has(part[head], rest)
