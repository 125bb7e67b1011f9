"""How good a teacher has to be on the validation examples for a student to learn from it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from alambique.spec.errors import NotEnoughDisk
from alambique.spec.teacher import Teacher
from alambique.tasks import bootstrap
from alambique.tasks.all import find
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Example, read
from alambique.tasks.task import Task
from alambique.workers.files import build_folder
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import code_version
from alambique.workers.pipeline.records import (
    DataSet,
    FineTuneRun,
    GateFigures,
    JobInputs,
    SelectedTeacher,
)
from alambique.workers.pipeline.stage import key_of
from alambique.workers.scoring import predict_examples

FAR_BELOW = 0.7
"""A run has collapsed whose primary metric is less than this part of the others' median.

In the tables of Speedy Gonzales (Cañete and Bravo-Marquez, 2023), eleven models on eight data sets,
the three that collapsed have 0.26, 0.63 and 0.64 of it, and of all others none less than 0.75."""
FEWEST = 3
"""Runs whose median tells anything."""
DRAWS = 2_000
"""Of the interval of each run: its half-width is then known to a fiftieth, in a fifth of the time
that the intervals of tables take."""


@dataclass(frozen=True, slots=True)
class Validated:
    """How a network does on the validation examples."""

    metric: float
    """The task's primary one."""
    gate: GateFigures | None
    """None: its task has no baselines."""


def validate_teacher(
    work: JobContext, checked: JobInputs, folder: Path, said: Teacher
) -> Validated:
    """Return how the network in `folder` does, with the windows that the teacher teaches with."""
    task, data = find(work.job.task), checked.data
    examples = read(data.files["dev"])
    windows = {"max_length": said.max_length, "stride": said.stride}
    predicted = predict_examples(task, folder, examples, data.labels, **windows)
    metric = task.score(examples, predicted)[task.primary]
    if not task.baselines:
        return Validated(metric, None)
    theirs = _baseline_fractions(work, task, data, examples)
    return Validated(metric, gate_figures(task, task.fractions(examples, predicted), theirs))


def gate_figures(task: Task[Any, Any], ours_E2: Floats, theirs: Sequence[Floats]) -> GateFigures:
    """Return the figures of a teacher beside those of the best of its task's baselines.

    Args:
        task: the task.
        ours_E2: what each validation example adds to the teacher's score, see `Task.fractions`.
        theirs: the same of each baseline, in the order of the task.
    """
    best = max(range(len(theirs)), key=lambda number: bootstrap.ratio(theirs[number]))
    found = bootstrap.difference(ours_E2[None], theirs[best][None], draws=DRAWS)
    return GateFigures(
        metric=task.primary,
        score=bootstrap.ratio(ours_E2),
        baseline=task.baselines[best].name,
        baseline_score=bootstrap.ratio(theirs[best]),
        difference=found.value,
        low=found.low,
        high=found.high,
    )


def judge_runs(tried: Sequence[FineTuneRun]) -> list[FineTuneRun]:
    """Return the runs of a teacher, each with why it has collapsed if it has.

    A run has that diverged before it had any weights, that is not better than the task's best
    baseline by more than half the width of the difference's interval, or that is far below the
    others.
    """
    return [run.model_copy(update={"collapsed": _fault(run, tried)}) for run in tried]


def gate_details(taught: SelectedTeacher) -> dict[str, Any]:
    """Return what the version of a teacher says of the gate."""
    if taught.gate is None:
        return {}
    state = {"state": "off" if taught.gate_off else "on"}
    return {"gate": state | figures_of(taught.gate, taught.collapsed)}


def figures_of(gate: GateFigures, collapsed: str | None) -> dict[str, Any]:
    """Return a network's figures as a version tells them, and whether it may teach by them."""
    found = gate.model_dump(mode="json") | {"half_width": gate.half_width}
    return found | {"passed": collapsed is None, "collapsed": collapsed}


def in_words(gate: GateFigures) -> str:
    """Return the figures as people read them."""
    return (
        f"{gate.metric} on the validation examples is {gate.score:.4f}, that of {gate.baseline} "
        f"{gate.baseline_score:.4f}; the difference is {gate.difference:+.4f} "
        f"({gate.low:+.4f} to {gate.high:+.4f})"
    )


def _fault(run: FineTuneRun, tried: Sequence[FineTuneRun]) -> str | None:
    if run.tuned.diverged:
        return run.tuned.diverged
    if (gate := run.tuned.gate) and not gate.passed:
        half = f"{gate.half_width:.4f}"
        return f"{in_words(gate)}, and has to be more than half the width of its interval, {half}"
    return _far_below(run, [one for one in tried if one.number != run.number])


def _far_below(run: FineTuneRun, others: Sequence[FineTuneRun]) -> str | None:
    scores = [one.metric for one in others if one.metric is not None]
    if run.metric is None or len(scores) + 1 < FEWEST:
        return None
    middle = median(scores)
    if run.metric >= FAR_BELOW * middle:
        return None
    return (
        f"{_metric_of(run)} on the validation examples is {run.metric:.4f}, less than "
        f"{FAR_BELOW:.0%} of {middle:.4f}, the median of the {len(scores)} other runs"
    )


def _metric_of(run: FineTuneRun) -> str:
    return run.tuned.gate.metric if run.tuned.gate else "the primary metric"


def _baseline_fractions(
    work: JobContext, task: Task[Any, Any], data: DataSet, examples: Sequence[Example]
) -> list[Floats]:
    """What each validation example adds to the score of each baseline, computed once for its data.

    Runs of a grid, and jobs of a suite, share it.
    """
    content = {
        "task": task.name,
        "data": [data.hashes["train"], data.hashes["dev"]],
        "baselines": [baseline.name for baseline in task.baselines],
        "code": code_version(),
        **({"job": work.id} if work.job.fresh else {}),
    }
    folder = work.desk / f"baselines-{key_of(StageName.TEACH, content)[:24]}"
    for _ in range(2):
        build_folder(folder, partial(_write_baselines, task, data, examples))
        try:
            return [np.load(_file(folder, number)) for number in range(len(task.baselines))]
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
        predicted = baseline.predict(training, examples)
        np.save(_file(folder, number), task.fractions(examples, predicted))


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number}.npy"
