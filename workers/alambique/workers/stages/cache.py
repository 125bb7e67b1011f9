"""Stage 2: the teacher's outputs for the training examples, computed where they are missing."""

import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from alambique.models.configs import read_config
from alambique.registry import jobs
from alambique.runtime.windows import PREPROCESSING, Encoder
from alambique.spec.states import Stage
from alambique.workers.filling import Filler, Order
from alambique.workers.records import Cached, Checked, Trained
from alambique.workers.running import placement
from alambique.workers.training.course import TeacherOutputs
from alambique.workers.work import Work

_NOTE = "outputs"
"""The kind of the events that say how many outputs were computed."""


def cache(work: Work, checked: Checked, teacher: Trained) -> Cached:
    """The outputs, all of them there. Cheap where they already are, so it is never skipped.

    An attempt that is broken off leaves what it computed, and a note of how much that was.
    """
    order = _order(work, checked, teacher)
    looking = Filler(order)
    wanted, missing = looking.wanted, looking.missing()
    work.report(Stage.CACHE, 0.0, message=f"{sum(missing.values())} of {wanted} outputs to compute")
    while missing:
        _fill_some(work, order, looking, sorted(missing), sum(missing.values()))
        missing = looking.missing()
    computed = _computed(work)
    work.report(Stage.CACHE, 1.0, message=f"{computed} of {wanted} outputs computed")
    return Cached(outputs=order.outputs, wanted=wanted, computed=computed)


def _computed(work: Work) -> int:
    """How many outputs the job has computed, in this attempt and those before."""
    with work.database.read() as session:
        notes = jobs.notes(session, work.id, _NOTE)
    return sum(note.content["computed"] for note in notes)


def _fill_some(work: Work, order: Order, here: Filler, buckets: list[int], missing: int) -> None:
    """Fills those of `buckets` that no other job is filling, or waits for one of them."""
    names = {_name(order, bucket): bucket for bucket in buckets}
    mine = work.holding.take(list(names))
    if not mine:
        first = next(iter(names))
        work.holding.wait_for([first], lambda: work.log("cache: another job is filling it"))
        mine = [first]
    tally = _Tally(work, missing)
    try:
        _fill(work, order, here, [names[name] for name in mine], tally)
    finally:
        work.holding.let_go(mine)
        tally.note()


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
    """Counts what is computed, notes it, and tells how far that is."""

    def __init__(self, work: Work, wanted: int) -> None:
        self._work = work
        self._wanted = wanted
        self._began = time.monotonic()
        self._told = 0.0
        self._computed = 0
        self._noted = 0

    def __call__(self, _: int, computed: int) -> None:
        self._computed += computed
        now = time.monotonic()
        if now - self._told < 1 or not self._computed:
            return
        self._told = now
        self.note()
        each = (now - self._began) / self._computed
        self._work.report(
            Stage.CACHE,
            min(1.0, self._computed / self._wanted),
            eta_seconds=each * max(0, self._wanted - self._computed),
            message=f"{self._computed} of {self._wanted} outputs computed",
        )

    def note(self) -> None:
        """What was computed since the last note; later, while the database does not answer."""
        if self._computed > self._noted:
            with suppress(SQLAlchemyError):
                self._work.note(_NOTE, {"computed": self._computed - self._noted})
                self._noted = self._computed


def _order(work: Work, checked: Checked, teacher: Trained) -> Order:
    encoder = Encoder.from_folder(
        teacher.folder, max_length=teacher.max_length, stride=teacher.stride
    )
    bf16 = (work.job.teacher.training or work.job.train).precision == "bf16"
    return Order(
        task=work.job.task,
        labels=checked.data.labels,
        teacher=teacher.folder,
        examples=checked.data.files["train"],
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
        ),
    )


def _classes(teacher: Trained) -> list[str]:
    names: dict[str, str] = read_config(teacher.folder).get("id2label") or {}
    return [names[number] for number in sorted(names, key=int)]


def _name(order: Order, bucket: int) -> str:
    outputs = order.outputs
    return f"bucket:{outputs.teacher}:{outputs.tokenizer}:{order.task}:{bucket:02x}"
