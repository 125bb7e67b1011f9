"""Stage 2: a teacher's outputs for what a student learns from, computed where they are missing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from alambique.models.configs import read_config
from alambique.registry import jobs
from alambique.runtime.windows import PREPROCESSING, Encoder
from alambique.spec.states import StageName
from alambique.spec.teacher import Teacher
from alambique.workers.fill_task import Filler, FillTask
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import CachedOutputs, JobInputs, TrainedModel
from alambique.workers.pipeline.training_runs import StagePart, placement
from alambique.workers.training.distributed import this_device
from alambique.workers.training.spec import TeacherOutputs

_NOTE = "outputs"
"""The kind of the events that say how many outputs were computed."""


def caches(
    work: JobContext, checked: JobInputs, teachers: Sequence[TrainedModel]
) -> tuple[CachedOutputs, ...]:
    """The outputs of each teacher of the job."""
    parts = [
        StagePart(StageName.CACHE, one.name, n, len(teachers)) for n, one in enumerate(teachers)
    ]
    return tuple(cache(work, checked, *both) for both in zip(teachers, parts, strict=True))


def cache(
    work: JobContext, checked: JobInputs, teacher: TrainedModel, part: StagePart | None = None
) -> CachedOutputs:
    """The outputs, all of them there. Cheap where they already are, so it is never skipped.

    An attempt that is broken off leaves what it computed, and a note of how much that was.

    Args:
        work: the job.
        checked: its data.
        teacher: who answers.
        part: which part of the stage that is; None: all of it.
    """
    told = _Told(work, part or StagePart(StageName.CACHE, teacher.name))
    order = _order(work, checked, teacher)
    looking = Filler(order, work.settings.redis)
    wanted, missing = looking.wanted, looking.missing()
    told(0.0, f"{sum(missing.values())} of {wanted} outputs to compute")
    while missing:
        _fill_some(told, order, looking, sorted(missing), sum(missing.values()))
        missing = looking.missing()
    computed = _computed(work, teacher)
    told(1.0, f"{computed} of {wanted} outputs computed")
    return CachedOutputs(
        outputs=order.outputs, wanted=wanted, computed=computed, made_by=looking.makers()
    )


def _computed(work: JobContext, teacher: TrainedModel) -> int:
    """How many of its outputs the job has computed, in this attempt and those before."""
    events = work.read(lambda session: jobs.notes(session, work.id, _NOTE))
    # by their ids: one whose commit got no answer may be there twice
    notes = {event.content.get("id", event.id): event.content for event in events}
    return sum(note["computed"] for note in notes.values() if note["teacher"] == teacher.name)


def _said(work: JobContext, teacher: TrainedModel) -> Teacher:
    """What the job says of it."""
    return next(one.said for one in work.job.teachers if one.role == teacher.name)


@dataclass(frozen=True, slots=True)
class _Told:
    """Tells how far the outputs of one teacher are; which of several is named."""

    work: JobContext
    part: StagePart

    def __call__(self, done: float, message: str, eta_seconds: float | None = None) -> None:
        name = f"{self.part.name}: " if self.part.of > 1 else ""
        fraction = (self.part.number + done) / self.part.of
        self.work.report(
            StageName.CACHE, fraction, eta_seconds=eta_seconds, message=f"{name}{message}"
        )


def _fill_some(
    told: _Told, order: FillTask, here: Filler, buckets: list[int], missing: int
) -> None:
    """Fills those of `buckets` that no other job is filling, or waits for one of them."""
    work, names = told.work, {_name(order, bucket): bucket for bucket in buckets}
    mine = work.holding.take(list(names))
    if not mine:
        first = next(iter(names))
        work.holding.wait_for([first], lambda: work.log("cache: another job is filling it"))
        mine = [first]
    tally = _Tally(told, missing)
    try:
        _fill(work, order, here, [names[name] for name in mine], tally)
    finally:
        work.holding.let_go(mine)
        tally.note()


def _fill(
    work: JobContext,
    order: FillTask,
    here: Filler,
    buckets: list[int],
    filled: Callable[[int], None],
) -> None:
    resources = placement(work.job.resources, distilled=True)
    if resources is None:
        for run in here.runs(buckets, gpus=this_device().type != "cpu"):
            filled(here.fill(run))
    else:
        runs = here.runs(buckets, fillers=resources.workers, gpus=resources.gpus > 0)
        with work.cluster() as cluster:
            cluster.fill(order, resources, runs, filled)


class _Tally:
    """Counts what is computed, notes it, and tells how far that is."""

    def __init__(self, tell: _Told, wanted: int) -> None:
        self._tell = tell
        self._wanted = wanted
        self._began = time.monotonic()
        self._told = 0.0
        self._computed = 0
        self._noted = 0

    def __call__(self, computed: int) -> None:
        self._computed += computed
        now = time.monotonic()
        if now - self._told < 1 or not self._computed:
            return
        self._told = now
        self.note()
        each = (now - self._began) / self._computed
        self._tell(
            min(1.0, self._computed / self._wanted),
            f"{self._computed} of {self._wanted} outputs computed",
            each * max(0, self._wanted - self._computed),
        )

    def note(self) -> None:
        """What was computed since the last note."""
        if self._computed > self._noted:
            new, teacher = self._computed - self._noted, self._tell.part.name
            content = {"computed": new, "teacher": teacher, "id": uuid4().hex}
            self._tell.work.note(_NOTE, content)
            self._noted = self._computed


def _order(work: JobContext, checked: JobInputs, teacher: TrainedModel) -> FillTask:
    encoder = Encoder.from_folder(
        teacher.folder, max_length=teacher.max_length, stride=teacher.stride
    )
    said, unlabelled = _said(work, teacher), checked.data.unlabelled
    bf16 = (said.training or work.job.train).precision == "bf16"
    return FillTask(
        task=work.job.task,
        labels=checked.data.labels,
        teacher=teacher.folder,
        examples=checked.data.files["train"],
        unlabelled=unlabelled.file if unlabelled else None,
        max_length=teacher.max_length,
        stride=teacher.stride,
        outputs=TeacherOutputs(
            near=work.near,
            shared=work.settings.redis is not None,
            # the head's classes are part of what it answers, and no part of its weights' hash
            teacher=f"{teacher.weights}:{':'.join(_classes(teacher))}",
            tokenizer=encoder.fingerprint,
            preprocessing=str(PREPROCESSING),
            dtype="bf16" if bf16 else "fp32",
            weight=said.weight,
        ),
    )


def _classes(teacher: TrainedModel) -> list[str]:
    names: dict[str, str] = read_config(teacher.folder).get("id2label") or {}
    return [names[number] for number in sorted(names, key=int)]


def _name(order: FillTask, bucket: int) -> str:
    outputs = order.outputs
    return f"bucket:{outputs.teacher}:{outputs.tokenizer}:{order.task}:{bucket:02x}"
