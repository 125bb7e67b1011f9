"""What the process of a trial does: makes the untrained student, and trains it."""

import os
from collections.abc import Callable
from functools import partial

import torch
import torch.distributed as dist

from alambique.tasks.all import find
from alambique.workers.files import build_folder
from alambique.workers.initial_weights import write_student
from alambique.workers.layer_maps import resolve_maps
from alambique.workers.search.trial_spec import Report, TrialSpec
from alambique.workers.training.distributed import distributed_context, join_group
from alambique.workers.training.loop import train
from alambique.workers.training.result import TrainingResult, read_result
from alambique.workers.training.spec import TrainingSpec


def run_trial(
    order: TrialSpec, tell: Callable[[Report], None], *, redis: str | None = None
) -> None:
    """Carries a trial of one process from where its folder says it stands to its end.

    Args:
        order: the trial.
        tell: called after each epoch, last with the outcome; it may never return.
        redis: the URL of the shared tier of teacher outputs.
    """
    begin(order)
    *before, last = order.courses
    for course in before:
        if read_result(course) is None:
            _trained(course, lambda _: None, redis)
    tell(Report.of(read_result(last) or _trained(last, tell, redis)))


def begin(order: TrialSpec) -> None:
    """Makes the untrained student where it is not there, and room for its run."""
    course = order.courses[0]
    build_folder(
        course.start,
        partial(
            write_student,
            order.student,
            order.source,
            find(course.task).output,
            course.labels,
            seed=order.courses[-1].train.seed,
        ),
    )
    for course in order.courses:
        course.folder.mkdir(parents=True, exist_ok=True)


def _trained(
    course: TrainingSpec, tell: Callable[[Report], None], redis: str | None
) -> TrainingResult:
    if course.zero is not None and not dist.is_initialized():
        _join_nobody()
    return train(
        resolve_maps(course),
        distributed_context(),
        lambda position: tell(Report.at(position)),
        redis=redis,
    )


def _join_nobody() -> None:
    """A group of this process alone: DeepSpeed wants one. Its store needs no port."""
    os.environ.update({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"})
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    store = dist.HashStore()  # type: ignore[attr-defined]  # public, and left out of its stubs
    dist.init_process_group(backend, store=store, rank=0, world_size=1)
    join_group()
