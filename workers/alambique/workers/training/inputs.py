"""What a run reads before its first step: its networks, windows, and teacher outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alambique.cache.keys import Namespace, example_key
from alambique.cache.reader import Outputs
from alambique.cache.tiers import open_store
from alambique.models.distillation_model import DistillationModel, freeze_unreached_weights
from alambique.models.networks import load
from alambique.runtime.windows import Encoder
from alambique.spec.errors import BadSpec
from alambique.spec.objective import intermediate_losses
from alambique.tasks.all import find
from alambique.tasks.examples import Example, read
from alambique.tasks.task import Task
from alambique.workers.training.batches import CachedTeacher, Collator
from alambique.workers.training.checkpoints import read_projection_heads
from alambique.workers.training.distributed import DistributedContext
from alambique.workers.training.example_windows import EvaluationSet, ExampleWindow
from alambique.workers.training.kinds.all import kind_of
from alambique.workers.training.schedule import steps_of
from alambique.workers.training.spec import OutputsLocation, TrainingSpec


@dataclass(frozen=True)
class TrainingInputs:
    """The windows of a run, and what makes batches of them."""

    windows: list[ExampleWindow]
    """The windows to train on."""
    steps: int
    """Optimizer steps of the whole run."""
    validation: EvaluationSet
    collator: Collator
    """Makes the batches of both."""


def load_inputs(
    spec: TrainingSpec, context: DistributedContext, redis: str | None = None
) -> tuple[DistillationModel, TrainingInputs]:
    """Return the model that a run trains, on the CPU, and the inputs of its steps.

    Args:
        spec: says what to read.
        context: this process.
        redis: the URL of the shared tier.

    Raises:
        BadSpec: the objective compares layers that the networks do not have.
    """
    task, train = find(spec.task), spec.train
    encoder = Encoder.from_folder(spec.start, max_length=train.max_length, stride=train.stride)
    labelled, validation = read(spec.training), read(spec.validation)
    unlabelled = read(spec.unlabelled) if spec.unlabelled else []
    windows = _training_windows(task, labelled, unlabelled, encoder, spec.labels)
    network = load(spec.start, task.output, spec.labels, dropout=train.dropout)
    live_teacher = load(spec.live_teacher, task.output, spec.labels) if spec.live_teacher else None
    inputs = TrainingInputs(
        windows=windows,
        steps=_optimizer_steps(spec, task, labelled, windows),
        validation=evaluation_set(task, validation, encoder, spec.labels),
        collator=Collator(
            kind=kind_of(task.output),
            pad_id=encoder.pad_id,
            teachers=tuple(
                _open_teacher(location, task, [*labelled, *unlabelled], redis)
                for location in spec.teachers
            ),
            device=context.device,
        ),
    )
    model = DistillationModel(network, live_teacher, intermediate_losses(spec.objective))
    if spec.beginning is not None:
        model.projection_heads.load_matching(read_projection_heads(spec.beginning))
    freeze_unreached_weights(model, spec.objective)
    return model, inputs


def make_windows(
    task: Task[Any, Any], examples: Sequence[Example], encoder: Encoder, labels: Sequence[str]
) -> list[ExampleWindow]:
    """Return all windows of `examples` with their gold, those of one example in a row."""
    kind = kind_of(task.output)
    windows = []
    for number, example in enumerate(examples):
        for window in task.windows(example, encoder):
            gold = task.gold(example, window, labels)
            windows.append(ExampleWindow(number, window, gold, kind.weight(gold)))
    return windows


def make_unlabelled_windows(
    task: Task[Any, Any], examples: Sequence[Example], encoder: Encoder, first: int = 0
) -> list[ExampleWindow]:
    """Return all windows of examples whose labels are not read; their numbers begin at `first`."""
    kind = kind_of(task.output)
    windows = []
    for number, example in enumerate(examples, start=first):
        for window in task.windows(example, encoder):
            gold = kind.unknown_gold(window)
            windows.append(ExampleWindow(number, window, gold, kind.weight(gold), labelled=False))
    return windows


def evaluation_set(
    task: Task[Any, Any], examples: Sequence[Example], encoder: Encoder, labels: tuple[str, ...]
) -> EvaluationSet:
    """Return examples with all their windows."""
    return EvaluationSet(task, labels, examples, make_windows(task, examples, encoder, labels))


def _training_windows(
    task: Task[Any, Any],
    labelled: Sequence[Example],
    unlabelled: Sequence[Example],
    encoder: Encoder,
    labels: Sequence[str],
) -> list[ExampleWindow]:
    """Return the windows to train on, those of labelled examples first."""
    windows = [
        *make_windows(task, labelled, encoder, labels),
        *make_unlabelled_windows(task, unlabelled, encoder, first=len(labelled)),
    ]
    # a window without a word to learn from, alone in a batch, would leave nothing to divide by
    return [each for each in windows if each.weight]


def _optimizer_steps(
    spec: TrainingSpec,
    task: Task[Any, Any],
    labelled: Sequence[Example],
    windows: Sequence[ExampleWindow],
) -> int:
    """Return the steps of a run: those of its epochs, or of its step budgets.

    Args:
        spec: the run.
        task: of its examples.
        labelled: its labelled examples, which the trainings of its budgets have too.
        windows: its training windows.
    """
    if not spec.step_budgets:
        return steps_of([each.length for each in windows], spec.train, spec.train.epochs)
    steps = 0
    for budget in spec.step_budgets:
        encoder = Encoder.from_folder(
            spec.start, max_length=budget.train.max_length, stride=budget.train.stride
        )
        unlabelled = read(budget.unlabelled) if budget.unlabelled else []
        budget_windows = _training_windows(task, labelled, unlabelled, encoder, spec.labels)
        steps += steps_of(
            [each.length for each in budget_windows], budget.train, budget.train.epochs
        )
    return steps


def namespace_of(location: OutputsLocation, task: Task[Any, Any]) -> Namespace:
    """Return what the outputs of that teacher for that task are filed under."""
    return Namespace(
        teacher=location.teacher,
        tokenizer=location.tokenizer,
        preprocessing=location.preprocessing,
        output=task.output,
        dtype=location.dtype,
    )


def open_outputs(location: OutputsLocation, task: Task[Any, Any], redis: str | None) -> Outputs:
    """Open the outputs of a teacher for a task.

    Args:
        location: where they are, and whether they have a shared tier.
        task: the task.
        redis: the URL of the shared tier.

    Raises:
        BadSpec: they have one, and this process knows no URL.
    """
    if location.shared and redis is None:
        raise BadSpec(
            "the job's driver has a shared tier (ALAMBIQUE_REDIS_URL), and a worker of Ray has "
            "none: set ALAMBIQUE_REDIS_URL on every node of the cluster, or leave it out everywhere"
        )
    store = open_store(location.near, redis if location.shared else None)
    return Outputs(store, namespace_of(location, task))


def _open_teacher(
    location: OutputsLocation, task: Task[Any, Any], examples: Sequence[Example], redis: str | None
) -> CachedTeacher:
    reader = open_outputs(location, task, redis)
    keys = [example_key(reader.namespace, task.texts(example)) for example in examples]
    return CachedTeacher(reader, examples, keys, location.weight)
