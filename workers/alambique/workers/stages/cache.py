"""The teachers' outputs that students learn from, computed where they are missing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from alambique.models.configs import read_config
from alambique.registry import jobs
from alambique.runtime.windows import PREPROCESSING, Encoder
from alambique.spec.states import StageName
from alambique.spec.teachers import TeacherEntry
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import CachedOutputs, TrainedModel
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.pipeline.training_runs import ray_workers
from alambique.workers.stages.filler import Filler
from alambique.workers.training.distributed import this_device
from alambique.workers.training.spec import FillTask, OutputsLocation

_EVENT = "outputs"
"""The kind of the events that say how many outputs were computed."""


def fill_caches(context: JobContext) -> tuple[CachedOutputs, ...]:
    """Return where the outputs of each teacher of the job are, all of them there."""
    of = len(context.teachers)
    return tuple(
        fill_cache(
            context,
            teacher.model,
            entry,
            StagePart(StageName.CACHE, teacher.model.name, number, of),
        )
        for number, (teacher, entry) in enumerate(
            zip(context.teachers, context.job.teachers, strict=True)
        )
    )


def fill_cache(
    context: JobContext, teacher: TrainedModel, entry: TeacherEntry, part: StagePart
) -> CachedOutputs:
    """Return where a teacher's outputs are, computed as far as they were missing.

    Cheap where they are there, so it is never skipped. An attempt that is broken off leaves what it
    computed, and events that say how much that was.

    Args:
        context: the job.
        teacher: the network that answers.
        entry: what the job says of it.
        part: where the progress is shown.
    """
    task = fill_task(context, teacher, entry)
    filler = Filler(task, context.settings.redis)
    total, missing = filler.total, filler.missing()
    progress = FillProgress(context, part, teacher.name, sum(missing.values()))
    progress.report(0.0, f"{sum(missing.values())} of {total} outputs to compute")
    while missing:
        _fill_free_buckets(context, task, filler, missing, progress)
        missing = filler.missing()
    computed = _count_computed(context, teacher)
    progress.report(1.0, f"{computed} of {total} outputs computed")
    return CachedOutputs(
        location=task.outputs, total=total, computed=computed, made_by=filler.codes()
    )


@dataclass
class FillProgress:
    """Counts a teacher's outputs as they are computed, and reports how far that is."""

    context: JobContext
    part: StagePart
    teacher: str
    """Its role."""
    missing: int
    """How many are to be computed."""
    computed: int = 0
    recorded: int = 0
    """How many of those the job's events tell."""
    began: float = 0.0
    """When this round began, on the monotonic clock."""
    reported: float = 0.0
    """When progress was reported last."""

    def begin(self, missing: int) -> None:
        """Begin a round in which so many outputs are missing."""
        self.missing, self.computed, self.recorded = missing, 0, 0
        self.began, self.reported = time.monotonic(), 0.0

    def add(self, computed: int) -> None:
        """Count outputs that were computed, and report at most once a second."""
        self.computed += computed
        now = time.monotonic()
        if now - self.reported < 1 or not self.computed:
            return
        self.reported = now
        self.record()
        seconds_each = (now - self.began) / self.computed
        self.report(
            min(1.0, self.computed / self.missing),
            f"{self.computed} of {self.missing} outputs computed",
            seconds_each * max(0, self.missing - self.computed),
        )

    def record(self) -> None:
        """Write an event that tells what was computed since the last one."""
        if self.computed > self.recorded:
            new = self.computed - self.recorded
            content = {"computed": new, "teacher": self.teacher, "id": uuid4().hex}
            self.context.add_event(_EVENT, content)
            self.recorded = self.computed

    def report(self, done: float, message: str, eta_seconds: float | None = None) -> None:
        """Report how far this teacher's outputs are; which of several is named."""
        name = f"{self.part.name}: " if self.part.count > 1 else ""
        self.context.report(
            StageName.CACHE,
            self.part.fraction(done),
            eta_seconds=eta_seconds,
            message=f"{name}{message}",
        )


def _fill_free_buckets(
    context: JobContext,
    task: FillTask,
    filler: Filler,
    missing: Mapping[int, int],
    progress: FillProgress,
) -> None:
    """Fill those buckets that no other job is filling; where there is none, wait for one of them.

    They are filled in this process, or shared out over workers on Ray.

    Args:
        context: the job.
        task: what is computed.
        filler: what computes in this process.
        missing: how many outputs each bucket lacks.
        progress: what counts them.
    """
    names = {bucket_lease(task, bucket): bucket for bucket in sorted(missing)}
    held = context.leases.take(list(names))
    if not held:
        first = next(iter(names))
        context.leases.wait_for([first], lambda: context.log("cache: another job is filling it"))
        held = [first]
    buckets = [names[name] for name in held]
    resources = ray_workers(context.job.resources, distilled=True)
    progress.begin(sum(missing.values()))
    try:
        if resources is None:
            for group in filler.bucket_groups(buckets, gpus=this_device().type != "cpu"):
                progress.add(filler.fill(group))
        else:
            workers, has_gpus = resources.workers, resources.gpus > 0
            groups = filler.bucket_groups(buckets, fillers=workers, gpus=has_gpus)
            with context.connect() as cluster:
                cluster.fill(task, resources, groups, progress.add)
    finally:
        context.leases.release(held)
        progress.record()


def _count_computed(context: JobContext, teacher: TrainedModel) -> int:
    """Return how many of its outputs the job has computed, in all of its attempts."""
    events = context.read(lambda session: jobs.notes(session, context.id, _EVENT))
    # by their ids: one whose commit got no answer may be there twice
    contents = {event.content.get("id", event.id): event.content for event in events}
    return sum(each["computed"] for each in contents.values() if each["teacher"] == teacher.name)


def fill_task(context: JobContext, teacher: TrainedModel, entry: TeacherEntry) -> FillTask:
    """Return what is to be computed of a teacher's outputs, and where they are kept."""
    encoder = Encoder.from_folder(
        teacher.folder, max_length=teacher.max_length, stride=teacher.stride
    )
    unlabelled = context.data.unlabelled
    is_bf16 = (entry.spec.training or context.job.train).precision == "bf16"
    # the head's classes are part of what it answers, and no part of its weights' hash
    classes: dict[str, str] = read_config(teacher.folder).get("id2label") or {}
    names = [classes[number] for number in sorted(classes, key=int)]
    return FillTask(
        task=context.job.task,
        labels=context.data.labels,
        teacher=teacher.folder,
        examples=context.data.files["train"],
        unlabelled=unlabelled.file if unlabelled else None,
        max_length=teacher.max_length,
        stride=teacher.stride,
        outputs=OutputsLocation(
            near=context.near_cache,
            shared=context.settings.redis is not None,
            teacher=f"{teacher.weights}:{':'.join(names)}",
            tokenizer=encoder.fingerprint,
            preprocessing=str(PREPROCESSING),
            dtype="bf16" if is_bf16 else "fp32",
            weight=entry.spec.weight,
        ),
    )


def bucket_lease(task: FillTask, bucket: int) -> str:
    """Return the name under which one job at a time fills a bucket."""
    outputs = task.outputs
    return f"bucket:{outputs.teacher}:{outputs.tokenizer}:{task.task}:{bucket:02x}"
