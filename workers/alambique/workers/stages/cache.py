"""Stage 2: a teacher's outputs for what a student learns from, computed where they are missing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alambique.models.configs import read_config
from alambique.runtime.windows import PREPROCESSING, Encoder
from alambique.spec.states import Stage
from alambique.spec.teacher import Teacher
from alambique.workers.filling import Filler, Order
from alambique.workers.records import Cached, Checked, Trained
from alambique.workers.running import Part, placement
from alambique.workers.training.course import TeacherOutputs
from alambique.workers.work import Work


def caches(work: Work, checked: Checked, teachers: Sequence[Trained]) -> tuple[Cached, ...]:
    """The outputs of each teacher of the job."""
    parts = [Part(Stage.CACHE, one.name, n, len(teachers)) for n, one in enumerate(teachers)]
    return tuple(cache(work, checked, *both) for both in zip(teachers, parts, strict=True))


def cache(work: Work, checked: Checked, teacher: Trained, part: Part | None = None) -> Cached:
    """The outputs, all of them there. Cheap where they already are, so it is never skipped.

    Args:
        work: the job.
        checked: its data.
        teacher: who answers.
        part: which part of the stage that is; None: all of it.
    """
    part = part or Part(Stage.CACHE, teacher.name)
    order = _order(work, checked, teacher)
    looking = Filler(order)
    wanted, missing = looking.wanted, looking.missing()
    told = _Told(work, part)
    told(0.0, f"{sum(missing.values())} of {wanted} outputs to compute")
    computed = 0
    while missing:
        computed += _filled(work, order, looking, sorted(missing), sum(missing.values()), told)
        missing = looking.missing()
    told(1.0, f"{computed} of {wanted} outputs computed")
    return Cached(outputs=order.outputs, wanted=wanted, computed=computed)


def _said(work: Work, teacher: Trained) -> Teacher:
    """What the job says of it."""
    return next(one.said for one in work.job.teachers if one.role == teacher.name)


@dataclass(frozen=True, slots=True)
class _Told:
    """Tells how far the outputs of one teacher are, which of several is named."""

    work: Work
    part: Part

    def __call__(self, done: float, message: str, eta_seconds: float | None = None) -> None:
        name = f"{self.part.name}: " if self.part.of > 1 else ""
        fraction = (self.part.number + done) / self.part.of
        self.work.report(Stage.CACHE, fraction, eta_seconds=eta_seconds, message=f"{name}{message}")


def _filled(
    work: Work, order: Order, here: Filler, buckets: list[int], missing: int, told: _Told
) -> int:
    """Fills those of `buckets` that no other job is filling, or waits for one of them."""
    names = {_name(order, bucket): bucket for bucket in buckets}
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
    return tally.computed


def _fill(
    work: Work, order: Order, here: Filler, buckets: list[int], filled: Callable[[int, int], None]
) -> None:
    resources = placement(work.job.resources, distilled=True)
    if resources is None:
        for bucket in buckets:
            filled(bucket, here.fill(bucket))
    else:
        with work.cluster() as cluster:
            cluster.fill(order, resources, buckets, filled)


class _Tally:
    """Counts what is computed, and tells how far that is."""

    def __init__(self, told: _Told, wanted: int) -> None:
        self._tell = told
        self._wanted = wanted
        self._began = time.monotonic()
        self._told = 0.0
        self.computed = 0

    def __call__(self, _: int, computed: int) -> None:
        self.computed += computed
        now = time.monotonic()
        if now - self._told < 1 or not self.computed:
            return
        self._told = now
        each = (now - self._began) / self.computed
        self._tell(
            min(1.0, self.computed / self._wanted),
            f"{self.computed} of {self._wanted} outputs computed",
            each * max(0, self._wanted - self.computed),
        )


def _order(work: Work, checked: Checked, teacher: Trained) -> Order:
    encoder = Encoder.from_folder(
        teacher.folder, max_length=teacher.max_length, stride=teacher.stride
    )
    said, unlabelled = _said(work, teacher), checked.data.unlabelled
    bf16 = (said.training or work.job.train).precision == "bf16"
    return Order(
        task=work.job.task,
        labels=checked.data.labels,
        teacher=teacher.folder,
        examples=checked.data.files["train"],
        unlabelled=unlabelled.file if unlabelled else None,
        max_length=teacher.max_length,
        stride=teacher.stride,
        outputs=TeacherOutputs(
            near=work.near,
            redis=work.settings.redis,
            # the head's classes are part of what it answers, and no part of its weights' hash
            teacher=f"{teacher.weights}:{':'.join(_classes(teacher))}",
            tokenizer=encoder.fingerprint,
            preprocessing=str(PREPROCESSING),
            dtype="bf16" if bf16 else "fp32",
            weight=said.weight,
        ),
    )


def _classes(teacher: Trained) -> list[str]:
    names: dict[str, str] = read_config(teacher.folder).get("id2label") or {}
    return [names[number] for number in sorted(names, key=int)]


def _name(order: Order, bucket: int) -> str:
    outputs = order.outputs
    return f"bucket:{outputs.teacher}:{outputs.tokenizer}:{order.task}:{bucket:02x}"
