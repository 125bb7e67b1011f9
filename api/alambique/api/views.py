"""What the API answers: the records of the registry, as JSON. Free of HTTP, for clients too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from alambique.api.comparison_table import Comparison
from alambique.registry.records import Event, JobRow, SuiteJobRow, SuiteRow, Trial, Waiting
from alambique.spec.outputs import Output
from alambique.spec.states import Reason, StageName, State, TrialState
from alambique.spec.suite import Cell

if TYPE_CHECKING:
    from alambique.tasks.datasets import Dataset
    from alambique.tasks.task import Task

T = TypeVar("T")


class View(BaseModel):
    """A frozen answer, read from a record by its attributes."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class FieldProblem(View):
    """One field of a request that cannot stay as it is."""

    path: str
    found: str | None = None
    """Left out where the field is missing, or the fault is of a mapping as a whole."""
    message: str


class Problem(View):
    """Why a request was refused (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    """Stable, for programs."""
    errors: list[FieldProblem] | None = None


class WaitingView(View):
    """How many jobs are ahead of one that waits, and why it waits."""

    ahead: int
    why: str


class JobView(View):
    """A job as it stands."""

    id: UUID
    project: str
    suite_id: UUID | None
    cell: Cell | None
    """Its place in that suite."""
    name: str | None
    task: str
    spec: dict[str, Any]
    state: State
    reason: Reason | None
    message: str | None
    stage: StageName | None
    progress: float | None
    """Of the stage, 0 to 1."""
    eta_seconds: float | None
    loss: float | None
    metric: float | None
    priority: int
    attempts: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    tag: int
    """Counts up with each change: the ETag."""
    result: dict[str, Any] | None
    waiting: WaitingView | None = None
    """Of a job that waits to be taken."""

    @classmethod
    def of(cls, row: JobRow, waiting: Waiting | None) -> JobView:
        """Return the job as clients see it: without leases and fences."""
        seen = WaitingView.model_validate(waiting) if waiting else None
        return cls.model_validate(row).model_copy(update={"waiting": seen})


class EventView(View):
    """Something that happened to a job."""

    id: int
    at: datetime
    kind: str
    content: dict[str, Any]


class LogView(View):
    """Lines that a job wrote."""

    id: int
    at: datetime
    lines: list[str]


class LogPage(View):
    """What a job wrote, oldest first."""

    items: list[LogView]
    after: int
    """Asked for with this, the lines that follow."""

    @classmethod
    def of(cls, events: Sequence[Event], after: int) -> LogPage:
        """Return the lines of log events, and `after` itself if there are none."""
        items = [LogView(id=e.id, at=e.at, lines=e.content["lines"]) for e in events]
        return cls(items=items, after=items[-1].id if items else after)


class TrialView(View):
    """A trial of a job's search."""

    number: int
    """From 1, in the order in which they were begun."""
    values: dict[str, Any]
    """By the path of the field of the job."""
    state: TrialState
    front: bool
    """Whether no other trial is better by all goals of the search, of those that have finished."""
    epochs: int
    """That are whole."""
    metrics: dict[str, float]
    """On the validation examples, of its best epoch; and what the student costs."""
    curve: list[dict[str, float]]
    """The best loss and metric after each epoch; at the last one `stopped`, where it was that."""
    reason: Reason | None
    error: str | None
    """Of one that failed."""
    started_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, trial: Trial, front: Iterable[int]) -> TrialView:
        """Return the trial as clients see it; `front` has the numbers of those on the front."""
        return cls.model_validate(asdict(trial) | {"front": trial.number in front})


class SuiteLine(View):
    """A suite in a list."""

    id: UUID
    project: str
    name: str
    created_at: datetime
    states: dict[State, int]
    """How many of its jobs are in which state."""
    over: bool
    """Whether none of its jobs has anything left to do."""


class SuiteJob(View):
    """A job of a suite, as it stands."""

    id: UUID
    name: str | None
    cell: Cell
    state: State
    reason: Reason | None
    message: str | None
    stage: StageName | None
    progress: float | None
    """Of the stage, 0 to 1."""
    eta_seconds: float | None
    attempts: int


class SuiteView(SuiteLine):
    """A suite as it stands, with its jobs and the table as far as it is known."""

    jobs: list[SuiteJob]
    comparison: Comparison | None
    """null where it was not asked for."""

    @classmethod
    def of(
        cls, row: SuiteRow, jobs: Sequence[SuiteJobRow], comparison: Comparison | None = None
    ) -> SuiteView:
        """Return the suite as clients see it, with its table where that is given."""
        return cls(
            **SuiteLine.model_validate(row).model_dump(),
            jobs=[SuiteJob.model_validate(job) for job in jobs],
            comparison=comparison,
        )


class FileView(View):
    """A file of a version."""

    name: str
    sha256: str
    size: int
    """In bytes."""


class MetricView(View):
    """A number measured for a version, with the settings that it depends on."""

    data: str
    split: str
    name: str
    value: float
    settings: dict[str, Any]


class EdgeView(View):
    """What a version comes from: another version, or things known by hash only."""

    relation: str
    parent: UUID | None
    hashes: dict[str, str]


class NoteView(View):
    """What somebody wrote about a version."""

    at: datetime
    text: str


class VersionView(View):
    """A registered version of a model: what it is never changes, what people say of it does."""

    id: UUID
    project: str
    name: str
    number: int
    role: str
    """What it is in its job: teacher (of several teacher-2 and so on), student, gold-only."""
    job_id: UUID | None
    created_at: datetime
    task: str
    labels: list[str]
    parameters: int
    macs_linear: int
    macs_full: int
    weights: str
    """Content hash of the weights."""
    details: dict[str, Any]
    files: list[FileView]
    metrics: list[MetricView]
    lineage: list[EdgeView]
    aliases: list[str] = []
    """Names that point to it now."""
    tags: list[str] = []
    notes: list[NoteView] = []
    """The oldest first."""
    deleted_at: datetime | None = None
    """It can be restored until it is collected."""
    collected_at: datetime | None = None
    """When its files were removed."""


class ModelView(View):
    """A name under which versions are registered."""

    id: UUID
    project: str
    name: str
    task: str
    created_at: datetime
    versions: int
    """How many there are that are not deleted."""
    latest: VersionView
    match: VersionView | None = None
    """The newest version with all that was asked for; null where that is the latest."""

    @property
    def shown(self) -> VersionView:
        """The newest version with all that was asked for."""
        return self.match or self.latest


class PageView(View, Generic[T]):
    """A part of a list; `next` is the cursor of the part after it, null at the end."""

    items: list[T]
    next: str | None

    def all_items(self, page_at: Callable[[str], PageView[T]]) -> Iterator[T]:
        """Yield the items of this part of the list, then those of all parts after it.

        Args:
            page_at: gives the part of the list that a cursor asks for.
        """
        page = self
        yield from page.items
        while page.next is not None:
            page = page_at(page.next)
            yield from page.items


class TaskView(View):
    """A task that jobs can name."""

    name: str
    output: Output
    """What a model answers."""
    primary: str
    """The score by which models are compared."""
    settings: dict[str, str | int | float]
    """How outputs become predictions, for a score on ordinary data."""

    @classmethod
    def of(cls, task: Task[Any, Any]) -> TaskView:
        """Return a task as clients see it."""
        settings = dict(task.settings(()))
        return cls(name=task.name, output=task.output, primary=task.primary, settings=settings)


class DatasetView(View):
    """A data set of the catalogue."""

    name: str
    task: str
    about: str
    licence: str
    labels: list[str]
    """Empty: as the task finds them in the examples."""
    sizes: dict[str, int]
    """How many examples each split has."""
    at_hand: bool
    """Whether this server can read it now."""

    @classmethod
    def of(cls, dataset: Dataset, at_hand: bool) -> DatasetView:
        """Return a data set as clients see it: without where it lies."""
        return cls(
            name=dataset.name,
            task=dataset.task,
            about=dataset.about,
            licence=dataset.licence,
            labels=list(dataset.labels),
            sizes=dict(dataset.sizes),
            at_hand=at_hand,
        )


class Health(View):
    """Whether the server can do its work."""

    status: str
