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
from alambique.spec.work import WORK

LARGEST = 5000
"""Jobs of a suite: more of them than that come of a mistake."""

_MOST_VARIED = 64
"""Fields of a grid, as many as a search has dimensions."""

Fields = dict[str, JsonValue]
"""Some fields of a job, which becomes whole once all of them are laid over each other.

What YAML has beside JSON, such as dates and names that are no texts, no job has a use for.
"""


def _check_each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if repeated(names):
        raise ValueError("a score is named twice: name each once")
    return names


Values = Annotated[tuple[JsonValue, ...], not_empty("expected at least 1 of them")]
"""What a field takes in one job after another."""
Tuned = Literal["gold-only"]
"""What jobs train beside the distilled student, and may have a grid of its own."""


def _check_grid(grid: dict[str, Any]) -> dict[str, Any]:
    if len(grid) > _MOST_VARIED:  # each is compared with all others
        raise ValueError(
            f"it varies {len(grid):,} fields, and a suite at most {_MOST_VARIED}: leave out "
            "those that matter least"
        )
    for path, values in grid.items():
        _check_grid_field(path, values)
        if above := [other for other in grid if path.startswith(f"{other}.")]:
            raise ValueError(f"{path} is a part of {above[0]}: one would undo the other")
    return grid


Varied = Annotated[dict[str, Values], AfterValidator(_check_grid)]
"""Values of fields, by their path in the job."""
Named = Annotated[dict[Name, Fields], Field(min_length=1)]
Metrics = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=64)], ...],
    not_empty("the list is empty: name a score, or leave the task out"),
    AfterValidator(_check_each_once),
]
"""Names of scores."""

NEEDS = "name, tasks and students"
"""The fields that a suite cannot be without."""

ONE_TEACHER = (
    "a suite compares teachers, one in each of its jobs: give each a name of its own in teachers, "
    "or post a job of several teachers by itself"
)
"""What is said of a list of them."""

_TEACHER = "teacher"
"""What the only one is called where the suite names none."""
_VARIED = ("train", "objective")
"""The fields of a job that a grid may reach into: what else differs is another row or column."""


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
    tuned: Tuned | None = None
    """The one student that the job trains, over a grid of its own; None: all others."""

    @property
    def grid(self) -> str:
        """Where the suite has the grid of its point."""
        return f"grids.{self.tuned}" if self.tuned else "grid"


class Suite(Spec):
    """All that a suite says. It becomes one job for each cell of the matrix."""

    name: Name
    project: Name = "default"
    shared: Fields = Field(default_factory=dict)
    """What all jobs have; each of the parts below is laid over it."""
    tasks: Named
    """Fields of a job: its task, its data, and what else is this one's own."""
    teachers: Named = {_TEACHER: {}}  # noqa: RUF012  (pydantic copies it)
    """Fields of `teacher`."""
    students: Named
    """Fields of `student`."""
    grid: Varied = Field(default_factory=dict)
    """Values of fields, by their path in the job; of its points the one of the lowest validation
    loss stands in the table."""
    grids: Annotated[dict[Tuned, Varied], Field(exclude_if=equal_to({}))] = Field(
        default_factory=dict
    )
    """Grids of their own, in place of `grid`, for what jobs train beside the distilled student."""
    seeds: tuple[Seed, ...] = ()
    """Of the students' training; the table has the mean over them."""

    metrics: Annotated[dict[str, Metrics], Field(exclude_if=equal_to({}))] = Field(
        default_factory=dict
    )
    """By the name of a task, the scores of its column, the one that counts first; of a task that
    is not named, its primary one and what published tables have beside it."""

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if repeated(seeds):
            raise ValueError("a seed is given twice: it would do the same again")
        return seeds

    @field_validator("teachers", mode="before")
    @classmethod
    def _check_one_teacher(cls, teachers: Any) -> Any:
        for name, said in teachers.items() if isinstance(teachers, Mapping) else ():
            if isinstance(said, list | tuple):
                raise fault_at((name,), ONE_TEACHER, said)
        return teachers

    @field_validator("grids")
    @classmethod
    def _check_grids(cls, grids: dict[Tuned, Varied]) -> dict[Tuned, Varied]:
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
        tasks = info.data.get("tasks", metrics)  # where these are wrong, that is told
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
        return self

    @model_validator(mode="after")
    def _check_size(self) -> "Suite":
        if self.size > LARGEST:
            raise ValueError(
                f"the matrix has {self.size:,} cells, and a suite at most {LARGEST:,}: leave out "
                "tasks, teachers, students, seeds or points of the grid"
            )
        return self

    def runs_of(self, role: str) -> int:
        """Return how many jobs train one student of a task and a teacher: seeds times grid points.

        Args:
            role: distilled, gold-only and so on.
        """
        grid = next((grid for name, grid in self.grids.items() if name == role), self.grid)
        return prod(len(values) for values in (self.seeds or (None,), *grid.values()))

    @property
    def runs(self) -> int:
        """How many jobs a student of a task and a teacher has."""
        return sum(self.runs_of(role) for role in ("distilled", *self.grids))

    @property
    def size(self) -> int:
        """How many jobs it becomes."""
        return len(self.tasks) * len(self.teachers) * len(self.students) * self.runs

    def cells(self) -> Iterator[Cell]:
        """Yield the cells of the suite, in the order in which their jobs are queued.

        Tasks change fastest: jobs that run side by side have teachers of their own, and need not
        wait for one another's.
        """
        grids: list[tuple[Tuned | None, Varied]] = [(None, self.grid), *self.grids.items()]
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
    content = mapping(yaml_of(text, "not a suite file"), "a suite file", NEEDS)
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
    # a field of a part may be covered by another part's, and is stored all the same
    if endless := [path for path, value in _numbers(content) if not isfinite(value)]:
        refuse([BadField(path, None, "expected a number that is finite") for path in endless])
    return suite


def _numbers(content: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield each float of the content with its path, out of at most `WORK` values.

    By aliases of YAML, a value may hold another one over and over.
    """
    left: list[tuple[str, Any]] = list(content.items())
    for _ in range(WORK):
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
    if head not in _VARIED or (head == "train" and not rest):
        raise ValueError(
            f"{path}: a grid varies fields of train and of objective, such as train.learning_rate "
            "or objective.0.temperature; what the models are is for teachers (their own grid is "
            "teacher.grid) and students to say"
        )
    if path == "train.seed":
        raise ValueError("train.seed: give seeds, over which the table has the mean")
    if len({json.dumps(value, sort_keys=True) for value in values}) < len(values):
        raise ValueError(f"{path}: a value is given twice: it would do the same again")
