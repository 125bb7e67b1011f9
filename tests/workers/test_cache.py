"""The cache stage: buckets shared with other jobs, and outputs in the precision of the job."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from alambique.cache.keys import example_key
from alambique.cache.reader import Outputs
from alambique.cache.tiers import open_store
from alambique.registry import jobs
from alambique.spec.outputs import Output
from alambique.spec.states import StageName
from alambique.tasks.examples import read
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import CachedOutputs, TrainedModel
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.stages.cache import bucket_lease, fill_cache, fill_task
from alambique.workers.stages.check import check_job
from alambique.workers.stages.filler import Filler
from alambique.workers.training.inputs import namespace_of

MakeContext = Callable[..., JobContext]


@pytest.fixture
def teacher(
    folder_of: Callable[..., Path], as_teacher: Callable[..., TrainedModel]
) -> TrainedModel:
    """A teacher whose weights are drawn: what it says is as good as anything."""
    return as_teacher(folder_of(), max_length=64, stride=16)


def waits(job_context: JobContext, filling: "Future[CachedOutputs]", times: int) -> None:
    """Comes back once the job has said so often that it waits, or is through."""
    said, pause = "cache: another job is filling it", threading.Event()
    while not filling.done():
        with job_context.database.read() as session:
            log = [event.content["lines"] for event in jobs.logs(session, job_context.id)]
        if log.count([said]) == times:
            return
        pause.wait(0.05)


def checked(context: JobContext) -> JobContext:
    return replace(context, check_result=check_job(context))


def filled(context: JobContext, teacher: TrainedModel) -> CachedOutputs:
    (entry,) = context.job.teachers
    return fill_cache(context, teacher, entry, StagePart(StageName.CACHE, "teacher"))


def test_buckets_that_another_job_fills_are_waited_for(
    job_context: MakeContext, teacher: TrainedModel
) -> None:
    ours, theirs = checked(job_context()), job_context()
    order = fill_task(ours, teacher, ours.job.teachers[0])
    missing = Filler(order).missing()
    held = sorted(missing)[::3]
    names = [bucket_lease(order, bucket) for bucket in held]
    assert theirs.leases.take(names) == sorted(names)
    by_them = 0
    with ThreadPoolExecutor(1) as thread:
        try:
            filling = thread.submit(filled, ours, teacher)
            waits(ours, filling, 1)  # for the first
            assert Filler(order).missing() == {bucket: missing[bucket] for bucket in held}
            by_them += Filler(order).fill(held[1:2])
            theirs.leases.release(names[:1])
            waits(ours, filling, 2)  # for the third: the second is there
            assert Filler(order).missing() == {bucket: missing[bucket] for bucket in held[2:]}
            by_them += Filler(order).fill(held[2:3])
        finally:
            theirs.leases.release(names)
        filling.result(60)
    by_us, wanted = sum(missing.values()) - by_them, ours.data.counts["train"]
    with ours.database.read() as session:
        messages = [event.content.get("message") for event in jobs.events(session, ours.id)]
    assert messages[-1] == f"{by_us} of {wanted} outputs computed"
    assert Filler(order).missing() == {}
    everything = [bucket_lease(order, bucket) for bucket in missing]
    assert set(theirs.leases.take(everything)) == set(everything)


def test_outputs_of_an_attempt_that_was_broken_off_are_counted(
    job_context: MakeContext, teacher: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, fill, counts = checked(job_context()), Filler.fill, list[int]()

    def broken(filler: Filler, buckets: Sequence[int]) -> int:
        if len(counts) == 3:
            raise KeyboardInterrupt
        counts.append(fill(filler, buckets))
        return counts[-1]

    with monkeypatch.context() as patched:
        patched.setattr(Filler, "fill", broken)
        patched.setattr(
            Filler, "bucket_groups", lambda filler, buckets, **_: [[one] for one in buckets]
        )
        with pytest.raises(KeyboardInterrupt):
            filled(job, teacher)
    found = filled(job, teacher)
    assert sum(counts) > 0
    assert found.computed == found.total == job.data.counts["train"]
    assert filled(checked(job_context()), teacher).computed == 0


def test_a_teacher_of_bf16_says_nearly_what_one_of_fp32_does(
    job_context: MakeContext, teacher: TrainedModel
) -> None:
    exact, rounded = (
        outputs(job_context(f"teacher.train.precision={precision}"), teacher)
        for precision in ("fp32", "bf16")
    )
    # over all words and labels: of thousands of roundings the largest is a few times that
    difference = np.sqrt(np.mean((rounded - exact) ** 2))
    scale = np.abs(exact).max()
    assert 1e-4 * scale < difference < 5e-3 * scale  # in fp32 it would be below 1e-5


def outputs(job_context: JobContext, teacher: TrainedModel) -> NDArray[np.float32]:
    """What the stage has filled the cache with, one row a word."""
    context = checked(job_context)
    outputs = filled(context, teacher).location
    task = context.task
    assert task.output is Output.TAGS
    namespace = namespace_of(outputs, task)
    there = Outputs(open_store(outputs.near, None), namespace)
    examples = read(context.data.files["train"])
    found = [there.get(example_key(namespace, task.texts(example))) for example in examples]
    return np.concatenate([values for values in found if values is not None])
