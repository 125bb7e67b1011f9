"""Stage 4: a network tested: its scores on the test split, and its size.

Teacher and students are tested alike and one by one, so that jobs with the same teacher need not
test it again.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alambique.models.configs import depth, longest_text, read_config
from alambique.models.counts import count
from alambique.models.folders import model_hash
from alambique.spec.outputs import Output
from alambique.tasks.all import find
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Example, read
from alambique.tasks.task import Task
from alambique.workers.cka_score import cka_score, taught_by
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import Evaluation, JobInputs, Score, TrainedModel
from alambique.workers.pipeline.training_runs import StagePart
from alambique.workers.scoring import LoadedModel
from alambique.workers.training.target_windows import TargetWindow, lost_words

_FRACTIONS = "fractions.npy"


def evaluate(
    work: JobContext,
    checked: JobInputs,
    one: TrainedModel,
    part: StagePart,
    length: int,
    folder: Path,
) -> Evaluation:
    """The scores of one network of the job.

    Args:
        work: the job.
        checked: its data.
        one: the network.
        part: which of the job's networks it is.
        length: tokens of the text that its operations are counted for.
        folder: where what each example adds to its score is written.
    """
    work.report(part.stage, part.number / part.of, message=f"testing the {part.name}")
    task, examples = find(work.job.task), read(checked.data.files["test"])
    labels = checked.data.labels
    examined = LoadedModel.of(
        task, one.folder, labels, max_length=one.max_length, stride=one.stride
    )
    rows = examined.windows(examples)
    notes = tuple(_notes(one, task, examples, rows))
    if notes:
        work.log(*(f"warning: {note}" for note in notes))
    metrics, fractions = _metrics(one, examined, examples, rows)
    if fractions is not None:
        np.save(folder / _FRACTIONS, fractions)
    config = read_config(one.folder)
    cost = count(config, task=task.output, labels=len(examined.labels), length=length)
    return Evaluation(
        score=Score(
            layers=depth(config),
            parameters=cost.parameters,
            macs_linear=cost.macs_linear,
            macs_full=cost.macs_full,
            metrics=metrics,
        ),
        settings=dict(task.settings(examples)) | {"examples": len(examples), "length": length},
        fractions=None if fractions is None else folder / _FRACTIONS,
        notes=notes,
    )


def key_inputs(
    work: JobContext, checked: JobInputs, one: TrainedModel, length: int
) -> Mapping[str, Any]:
    """What the scores depend on."""
    beside = one.course and [model_hash(taught_by(one.course)), one.course.objective]
    return {
        "task": work.job.task,
        "test": checked.data.hashes["test"],
        "labels": checked.data.labels,
        "network": [model_hash(one.folder), one.max_length, one.stride],
        "length": length,
        **({"beside": beside} if beside else {}),
    }


def length_of(work: JobContext, trained: Sequence[TrainedModel]) -> int:
    """Of the text that all networks are measured on: a teacher may have room for less."""
    longest = [longest_text(read_config(one.folder)) for one in trained]
    return min([work.job.train.max_length, *(length for length in longest if length)])


def _metrics(
    one: TrainedModel,
    examined: LoadedModel,
    examples: Sequence[Example],
    rows: Sequence[TargetWindow],
) -> tuple[dict[str, float], Floats | None]:
    """The metrics of the task, and what each example adds to the primary one.

    Without a head there is only how alike a student is to its teacher, which no example tells.
    """
    if examined.task.output is not Output.STATES:
        return examined.test(examples, rows)
    if one.course is None:
        return {examined.task.primary: 1.0}, None
    return cka_score(examined, one.course, examples, rows), None


def _notes(
    one: TrainedModel,
    task: Task[Any, Any],
    examples: Sequence[Example],
    rows: Sequence[TargetWindow],
) -> Iterator[str]:
    """What to say where the network's tokenizer drops words that it should tag."""
    if task.output is not Output.TAGS or not (lost := list(lost_words(task, examples, rows))):
        return
    first = examples[lost[0].example]
    word = task.texts(first)[lost[0].word]
    yield (
        f"the tokenizer of the {one.name} has no piece for {len(lost)} words of test, such as "
        f"word {lost[0].word + 1} of {first.id}, {word!r}: no network can tag them, and they count "
        "as untagged; clean the data, or take a model whose tokenizer knows them"
    )
