"""What a run reads before its first step: the network it starts from, rows, teacher outputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from alambique.cache.keys import Namespace, example_key
from alambique.cache.reader import Outputs
from alambique.cache.stores import Packs
from alambique.cache.tiers import open_store
from alambique.models.distillation_model import DistillationModel, freeze_unreached_weights
from alambique.models.networks import load
from alambique.runtime.windows import Encoder
from alambique.spec.errors import BadSpec, LostWorker
from alambique.spec.objective import intermediate_losses
from alambique.tasks.all import find
from alambique.tasks.examples import Example, read
from alambique.tasks.task import Task
from alambique.workers.training.batch_plan import steps_of
from alambique.workers.training.batches import Record, Teacher
from alambique.workers.training.best_weights import read_projection_heads
from alambique.workers.training.distributed import DistributedContext
from alambique.workers.training.spec import TeacherOutputs, TrainingSpec
from alambique.workers.training.target_windows import (
    TargetWindow,
    make_unlabelled_windows,
    make_windows,
)


@dataclass(frozen=True)
class TrainingInputs:
    """All that the steps of a run are fed from."""

    task: Task[Any, Any]
    labels: tuple[str, ...]
    pad_id: int
    training: list[TargetWindow]
    steps: int
    """Optimizer steps of the whole run."""
    examples: list[Example]
    """The validation examples; `validation` are their rows."""
    validation: list[TargetWindow]
    teachers: tuple[Teacher, ...]


def load_inputs(
    course: TrainingSpec, place: DistributedContext, redis: str | None = None
) -> tuple[DistillationModel, TrainingInputs]:
    """What the course trains, and its material.

    Args:
        course: says what to read.
        place: this process.
        redis: the URL of the shared tier.

    Raises:
        BadSpec: its objective compares layers that its networks do not have.
    """
    task = find(course.task)
    train = course.train
    encoder = Encoder.from_folder(course.start, max_length=train.max_length, stride=train.stride)
    training, validation = read(course.training), read(course.validation)
    unlabelled = read(course.unlabelled) if course.unlabelled else []
    rows = _training_rows(task, training, unlabelled, encoder, course.labels)
    network = load(course.start, task.output, course.labels, dropout=train.dropout)
    beside = load(course.live_teacher, task.output, course.labels) if course.live_teacher else None
    material = TrainingInputs(
        task=task,
        labels=course.labels,
        pad_id=encoder.pad_id,
        training=rows,
        steps=_steps(course, task, training, rows),
        examples=validation,
        validation=make_windows(task, validation, encoder, course.labels),
        teachers=tuple(
            Teacher(_output_of(one, task, [*training, *unlabelled], redis), one.weight)
            for one in course.teachers
        ),
    )
    learner = DistillationModel(network, beside, intermediate_losses(course.objective))
    if course.beginning is not None:
        learner.projection_heads.load_matching(read_projection_heads(course.beginning))
    freeze_unreached_weights(learner, course.objective)
    return learner, material


def _training_rows(
    task: Task[Any, Any],
    labelled: Sequence[Example],
    unlabelled: Sequence[Example],
    encoder: Encoder,
    labels: Sequence[str],
) -> list[TargetWindow]:
    """The rows that are learnt from, those of labelled examples first."""
    rows = [
        *make_windows(task, labelled, encoder, labels),
        *make_unlabelled_windows(task, unlabelled, encoder, first=len(labelled)),
    ]
    # a row without a word to learn from, alone in a batch, would leave nothing to divide by
    return [row for row in rows if row.weight]


def _steps(
    course: TrainingSpec,
    task: Task[Any, Any],
    training: Sequence[Example],
    rows: Sequence[TargetWindow],
) -> int:
    """How many optimizer steps a run takes: those of its epochs, or of the runs it keeps pace with.

    Args:
        course: the run.
        task: of its examples.
        training: its labelled examples, which the runs that it keeps pace with have too.
        rows: what it learns from.
    """
    if not course.pace:
        return steps_of([row.length for row in rows], course.train, course.train.epochs)
    steps = 0
    for other in course.pace:
        windows = {"max_length": other.train.max_length, "stride": other.train.stride}
        encoder = Encoder.from_folder(course.start, **windows)
        unlabelled = read(other.unlabelled) if other.unlabelled else []
        theirs = _training_rows(task, training, unlabelled, encoder, course.labels)
        steps += steps_of([row.length for row in theirs], other.train, other.train.epochs)
    return steps


def namespace_of(outputs: TeacherOutputs, task: Task[Any, Any]) -> Namespace:
    """What the outputs of that teacher for that task are filed under."""
    return Namespace(
        teacher=outputs.teacher,
        tokenizer=outputs.tokenizer,
        preprocessing=outputs.preprocessing,
        output=task.output,
        dtype=outputs.dtype,
    )


def store_of(outputs: TeacherOutputs, redis: str | None) -> Packs:
    """Open the store of a teacher's outputs.

    Args:
        outputs: says where it is, and whether it has a shared tier.
        redis: the URL of the shared tier.

    Raises:
        BadSpec: there is one, and this process was not told where.
    """
    if outputs.shared and redis is None:
        raise BadSpec(
            "the job's driver has a shared tier (ALAMBIQUE_REDIS_URL), a worker of Ray was told of "
            "none: set ALAMBIQUE_REDIS_URL on every node of the cluster, or leave it out everywhere"
        )
    return open_store(outputs.near, redis if outputs.shared else None)


def _output_of(
    outputs: TeacherOutputs, task: Task[Any, Any], examples: list[Example], redis: str | None
) -> Callable[[int], Record]:
    namespace = namespace_of(outputs, task)
    reader = Outputs(store_of(outputs, redis), namespace)
    keys = [example_key(namespace, task.texts(example)) for example in examples]

    def output_of(number: int) -> Record:
        found = reader.get(keys[number])
        if found is None:
            raise LostWorker(
                f"the teacher's output for example {examples[number].id!r} was in the cache and "
                "is gone: the next attempt computes it again"
            )
        return found

    return output_of
