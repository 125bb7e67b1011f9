"""A suite: a matrix of tasks, teachers and students with shared parts, which becomes jobs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import isfinite, prod
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from alambique.spec.field_errors import BadField, bad_fields, refuse
from alambique.spec.fields import (
    Name,
    Seed,
    Spec,
    equal_to,
    fault_at,
    not_empty,
    repeated,
)
from alambique.spec.reading import (
    mapping,
    with_override,
    yaml_of,
)
from alambique.spec.validation_cost import MAX_COST

MAX_JOBS = 5000
"""Jobs of a suite: a matrix that has more of them is a mistake."""

_MAX_GRID_FIELDS = 64
"""Fields of a grid, as many as the dimensions of a search."""

Fields = dict[str, JsonValue]
"""Some fields of a job, which all parts of a suite together make whole.

They are JSON: no job has a use for dates, or keys that are no texts, which YAML has too.
"""


def _check_each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if repeated(names):
        raise ValueError("a score is named twice: name each once")
    return names


Values = Annotated[tuple[JsonValue, ...], not_empty("expected at least 1 of them")]
"""The values that a field takes in one job after another."""
TunedBaseline = Literal["gold-only"]
"""The baselines that may have a grid of their own."""


def _check_grid(grid: dict[str, Any]) -> dict[str, Any]:
    if len(grid) > _MAX_GRID_FIELDS:  # the check below compares each with all others
        raise ValueError(
            f"it varies {len(grid):,} fields, and a suite at most {_MAX_GRID_FIELDS}: leave out "
            "those that matter least"
        )
    for path, values in grid.items():
        _check_grid_field(path, values)
        if above := [other for other in grid if path.startswith(f"{other}.")]:
            raise ValueError(f"{path} is a part of {above[0]}: one would undo the other")
    return grid


Grid = Annotated[dict[str, Values], AfterValidator(_check_grid)]
"""Values of fields, by the paths of the fields in the job."""
NamedParts = Annotated[dict[Name, Fields], Field(min_length=1)]
Metrics = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=64)], ...],
    not_empty("the list is empty: name a score, or leave the task out"),
    AfterValidator(_check_each_once),
]
"""Names of scores."""

REQUIRED = "name, tasks and students"
"""The required fields of a suite, for error messages."""

ONE_TEACHER = (
    "a suite compares teachers, one in each of its jobs: give each a name of its own in teachers, "
    "or post a job of several teachers by itself"
)
"""The message for a list of teachers."""

_TEACHER = "teacher"
"""The name of the only teacher of a suite that names none."""
_GRID_FIELDS = ("train", "objective")
"""The fields of a job that a grid may vary: other differences are rows or columns of the table."""


class Cell(Spec):
    """The cell of a job in the matrix of its suite."""

    task: str
    """A name of `Suite.tasks`, like the next two of their kind."""
    teacher: str
    student: str
    point: dict[str, Any] = Field(default_factory=dict)
    """The point of the grid: values by the paths of their fields."""
    seed: int | None = None
    """None: the seed that the parts of the job give."""
    tuned: TunedBaseline | None = None
    """The baseline that the job alone trains, over a grid of its own; None: all other students."""

    @property
    def grid(self) -> str:
        """The field of the suite that has the grid of its point."""
        return f"grids.{self.tuned}" if self.tuned else "grid"


class Suite(Spec):
    """The spec of a suite. It becomes one job for each cell of its matrix."""

    name: Name
    project: Name = "default"
    shared: Fields = Field(default_factory=dict)
    """The fields that all jobs have; the parts below take precedence."""
    tasks: NamedParts
    """The fields of a job for each task: its task, its data, and others of its own."""
    teachers: NamedParts = {_TEACHER: {}}  # noqa: RUF012  (pydantic copies it)
    """The fields of `teacher` for each teacher."""
    students: NamedParts
    """The fields of `student` for each student."""
    grid: Grid = Field(default_factory=dict)
    """Values of fields, by their paths in the job. The table has the point of the lowest
    validation loss."""
    grids: Annotated[dict[TunedBaseline, Grid], Field(exclude_if=equal_to({}))] = Field(
        default_factory=dict
    )
    """Grids of baselines, which replace `grid` for them."""
    seeds: tuple[Seed, ...] = ()
    """Seeds of the students' training, over which the table has the mean."""

    metrics: Annotated[dict[str, Metrics], Field(exclude_if=equal_to({}))] = Field(
        default_factory=dict
    )
    """The scores of a task's column by its name, the one that counts first. A task that is not
    named has its primary score and those that published tables show with it."""

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if repeated(seeds):
            raise ValueError("a seed is given twice: it would do the same again")
        return seeds

    @field_validator("teachers", mode="before")
    @classmethod
    def _check_one_teacher(cls, teachers: Any) -> Any:
        for name, teacher in teachers.items() if isinstance(teachers, Mapping) else ():
            if isinstance(teacher, list | tuple):
                raise fault_at((name,), ONE_TEACHER, teacher)
        return teachers

    @field_validator("grids")
    @classmethod
    def _check_grids(cls, grids: dict[TunedBaseline, Grid]) -> dict[TunedBaseline, Grid]:
        for name, grid in grids.items():
            if not grid:
                raise fault_at((name,), "it is empty: give fields to vary, or leave it out", grid)
            for path in grid:
                if not path.startswith("train."):
                    raise fault_at(
                        (name, path),
                        f"{name} learns gold labels and no objective: its grid varies fields of "
                        "train",
                        grid[path],
                    )
        return grids

    @field_validator("metrics")
    @classmethod
    def _check_metrics(
        cls, metrics: dict[str, tuple[str, ...]], info: ValidationInfo
    ) -> dict[str, tuple[str, ...]]:
        tasks = info.data.get("tasks", metrics)  # lacking if they are wrong, which pydantic reports
        if unknown := [name for name in metrics if name not in tasks]:
            raise ValueError(
                f"there is no task {unknown[0]}, the suite has {', '.join(tasks)}: name one of them"
            )
        return metrics

    @model_validator(mode="after")
    def _check_reserved_fields(self) -> "Suite":
        parts = {"shared": self.shared} | {
            f"tasks.{name}": part for name, part in self.tasks.items()
        }
        for where, part in parts.items():
            for field in ("name", "project", "seeds"):
                if field in part:
                    raise ValueError(
                        f"{where}.{field} is for the suite to say: move it beside tasks"
                    )
            if "publish" in part:
                raise ValueError(
                    f"{where}.publish: several jobs would have one repository: leave it out, and "
                    "publish the best models of the suite by `alambique suites publish`"
                )
        return self

    @model_validator(mode="after")
    def _check_size(self) -> "Suite":
        if self.size > MAX_JOBS:
            raise ValueError(
                f"the matrix has {self.size:,} cells, and a suite at most {MAX_JOBS:,}: leave out "
                "tasks, teachers, students, seeds or points of the grid"
            )
        return self

    def runs_of(self, role: str) -> int:
        """Return the number of jobs that train one student of a task and a teacher.

        Args:
            role: of the student, such as distilled or gold-only.
        """
        grid = next((grid for name, grid in self.grids.items() if name == role), self.grid)
        return prod(len(values) for values in (self.seeds or (None,), *grid.values()))

    @property
    def runs(self) -> int:
        """The number of jobs of one student, task and teacher."""
        return sum(self.runs_of(role) for role in ("distilled", *self.grids))

    @property
    def size(self) -> int:
        """The number of jobs of the suite."""
        return len(self.tasks) * len(self.teachers) * len(self.students) * self.runs

    def cells(self) -> Iterator[Cell]:
        """Yield the cells of the suite, in the order in which their jobs are queued.

        Tasks change fastest: jobs that run at the same time then have different teachers, for
        which none of them waits.
        """
        grids: list[tuple[TunedBaseline | None, Grid]] = [(None, self.grid), *self.grids.items()]
        points = [
            (tuned, dict(zip(grid, point, strict=True)))
            for tuned, grid in grids
            for point in product(*grid.values())
        ]
        outer = product(self.seeds or (None,), points, self.students, self.teachers, self.tasks)
        for seed, (tuned, point), student, teacher, task in outer:
            yield Cell(
                task=task,
                teacher=teacher,
                student=student,
                point=point,
                seed=seed,
                tuned=tuned,
            )


def read_suite(text: str, overrides: Iterable[str] = ()) -> Suite:
    """Return the suite that a YAML text describes, with each `path=value` of `overrides` set in it.

    Raises:
        BadSpec: the text is not YAML, or a field is wrong; each bad field on a line of its own.
    """
    content = mapping(yaml_of(text, "not a suite file"), "a suite file", REQUIRED)
    for override in overrides:
        content = with_override(content, override)
    return suite_of(content)


def suite_of(content: Mapping[str, Any]) -> Suite:
    """Return the suite that a mapping describes.

    Raises:
        BadSpec: a field is wrong, each bad one on a line of its own and in its `fields`.
    """
    try:
        suite = Suite.model_validate(content)
    except ValidationError as error:
        refuse(bad_fields(error, content, Suite))
    # parts are stored whole, also the fields that another part overrides
    if infinite := [path for path, value in _floats(content) if not isfinite(value)]:
        refuse([BadField(path, None, "expected a number that is finite") for path in infinite])
    return suite


def _floats(content: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield each float of the content with its path, among the first `MAX_COST` values.

    Aliases of YAML can repeat a value any number of times.
    """
    left: list[tuple[str, Any]] = list(content.items())
    for _ in range(MAX_COST):
        if not left:
            return
        path, value = left.pop()
        if isinstance(value, float):
            yield path, value
        if isinstance(value, list | tuple):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            left += [(f"{path}.{name}", one) for name, one in value.items()]


def _check_grid_field(path: str, values: Sequence[JsonValue]) -> None:
    head, _, rest = path.partition(".")
    if head not in _GRID_FIELDS or (head == "train" and not rest):
        raise ValueError(
            f"{path}: a grid varies fields of train and of objective, such as train.learning_rate "
            "or objective.0.temperature; what the models are is for teachers (their own grid is "
            "teacher.grid) and students to say"
        )
    if path == "train.seed":
        raise ValueError("train.seed: give seeds, over which the table has the mean")
    if len({json.dumps(value, sort_keys=True) for value in values}) < len(values):
        raise ValueError(f"{path}: a value is given twice: it would do the same again")
