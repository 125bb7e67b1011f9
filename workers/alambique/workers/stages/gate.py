"""How good a teacher has to be on the validation examples for a student to learn from it."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from alambique.spec.errors import NotEnoughDisk
from alambique.spec.states import StageName
from alambique.spec.teacher import Teacher
from alambique.tasks import bootstrap
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Example, read
from alambique.tasks.task import Task
from alambique.workers.files import build_folder
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import package_version
from alambique.workers.pipeline.records import (
    DataSet,
    FineTuneRun,
    GateFigures,
)
from alambique.workers.pipeline.stage import hash_inputs
from alambique.workers.scoring.loaded_model import predict_examples

COLLAPSE_RATIO = 0.7
"""A run has collapsed whose primary metric is less than this part of the others' median.

In the tables of Speedy Gonzales (Cañete and Bravo-Marquez, 2023), eleven models on eight data sets,
the three that collapsed have 0.26, 0.63 and 0.64 of it, and of all others none less than 0.75."""
MIN_RUNS = 3
"""Runs whose median tells anything."""
DRAWS = 2_000
"""Of the interval of each run: its half-width is then known to a fiftieth, in a fifth of the time
that the intervals of tables take."""


def validate_teacher(
    context: JobContext, folder: Path, teacher: Teacher
) -> tuple[float, GateFigures | None]:
    """Return how the network in a folder does on the validation examples.

    Args:
        context: the job.
        folder: of the network.
        teacher: what the job says of it; its windows are those that it teaches with.

    Returns:
        The task's primary metric, and the figures of the gate; None where the task has no
        baselines.
    """
    task, data = context.task, context.data
    examples = read(data.files["dev"])
    windows = {"max_length": teacher.max_length, "stride": teacher.stride}
    predictions = predict_examples(task, folder, examples, data.labels, **windows)
    metric = task.score(examples, predictions)[task.primary]
    if not task.baselines:
        return metric, None
    baselines = _load_baselines(context, examples)
    return metric, gate_figures(task, task.fractions(examples, predictions), baselines)


def gate_figures(
    task: Task[Any, Any], teacher_E2: Floats, baselines: Sequence[Floats]
) -> GateFigures:
    """Return the figures of a teacher beside those of the best of its task's baselines.

    Args:
        task: the task.
        teacher_E2: what each validation example adds to the teacher's score, see `Task.fractions`.
        baselines: the same of each baseline, in the order of the task.
    """
    best = max(range(len(baselines)), key=lambda number: bootstrap.ratio(baselines[number]))
    interval = bootstrap.difference(teacher_E2[None], baselines[best][None], draws=DRAWS)
    return GateFigures(
        metric=task.primary,
        score=bootstrap.ratio(teacher_E2),
        baseline=task.baselines[best].name,
        baseline_score=bootstrap.ratio(baselines[best]),
        difference=interval.value,
        low=interval.low,
        high=interval.high,
    )


def judge_runs(runs: Sequence[FineTuneRun]) -> list[FineTuneRun]:
    """Return the runs of a teacher, each with why it has collapsed if it has.

    A run has that diverged before it had any weights, that is not better than the task's best
    baseline by more than half the width of the difference's interval, or that is far below the
    others.
    """
    return [run.model_copy(update={"collapsed": _find_fault(run, runs)}) for run in runs]


def describe_gate(gate: GateFigures) -> str:
    """Return the figures as people read them."""
    return (
        f"{gate.metric} on the validation examples is {gate.score:.4f}, that of {gate.baseline} "
        f"{gate.baseline_score:.4f}; the difference is {gate.difference:+.4f} "
        f"({gate.low:+.4f} to {gate.high:+.4f})"
    )


def _find_fault(run: FineTuneRun, runs: Sequence[FineTuneRun]) -> str | None:
    """Return why a run cannot teach; None: it can."""
    if run.result.diverged:
        return run.result.diverged
    if (gate := run.result.gate) and not gate.is_passed:
        half = f"{gate.half_width:.4f}"
        return (
            f"{describe_gate(gate)}, and has to be more than half the width of its interval, {half}"
        )
    scores = [
        other.metric for other in runs if other.number != run.number and other.metric is not None
    ]
    if run.metric is None or len(scores) + 1 < MIN_RUNS:
        return None
    middle = median(scores)
    if run.metric >= COLLAPSE_RATIO * middle:
        return None
    metric = run.result.gate.metric if run.result.gate else "the primary metric"
    return (
        f"{metric} on the validation examples is {run.metric:.4f}, less than "
        f"{COLLAPSE_RATIO:.0%} of {middle:.4f}, the median of the {len(scores)} other runs"
    )


def _load_baselines(context: JobContext, examples: Sequence[Example]) -> list[Floats]:
    """Return what each validation example adds to the score of each baseline.

    Computed once for the data: runs of a grid, and jobs of a suite, share it.
    """
    task, data = context.task, context.data
    inputs = {
        "task": task.name,
        "data": [data.hashes["train"], data.hashes["dev"]],
        "baselines": [baseline.name for baseline in task.baselines],
        "code": package_version(),
    }
    key = hash_inputs(context, StageName.TEACH, inputs)
    folder = context.stages_folder / f"baselines-{key[:24]}"
    for _ in range(2):
        build_folder(folder, partial(_write_baselines, task, data, examples))
        try:
            return [np.load(_baseline_file(folder, n)) for n in range(len(task.baselines))]
        except (OSError, EOFError, ValueError):  # cut short by a power cut: made again
            shutil.rmtree(folder, ignore_errors=True)
    raise NotEnoughDisk(
        f"{folder}: what was just written there cannot be read again: look at the disk"
    )


def _write_baselines(
    task: Task[Any, Any], data: DataSet, examples: Sequence[Example], folder: Path
) -> None:
    training = read(data.files["train"])
    for number, baseline in enumerate(task.baselines):
        predictions = baseline.predict(training, examples)
        np.save(_baseline_file(folder, number), task.fractions(examples, predictions))


def _baseline_file(folder: Path, number: int) -> Path:
    return folder / f"{number}.npy"
