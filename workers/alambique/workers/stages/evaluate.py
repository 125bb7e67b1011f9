"""Stage 4: a network measured: its scores on test, size, latency, throughput.

Teacher and students are measured alike and one by one, so that jobs with the same teacher need not
test it again.
"""

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from alambique.models.configs import depth, longest_text, read_config
from alambique.models.counts import count
from alambique.models.folders import model_hash
from alambique.runtime.latency import PROTOCOL, Latency, measure
from alambique.spec.outputs import Output
from alambique.tasks.all import find
from alambique.tasks.examples import Example, read
from alambique.tasks.task import Task
from alambique.workers.likeness import likeness, taught_by
from alambique.workers.records import Checked, Evaluated, Score, Trained
from alambique.workers.running import Part
from alambique.workers.testing import Examined, synchronised
from alambique.workers.training.place import this_device
from alambique.workers.training.rows import Row, lost_words
from alambique.workers.work import Work


def evaluate(work: Work, checked: Checked, one: Trained, part: Part, length: int) -> Evaluated:
    """The scores of one network of the job.

    Args:
        work: the job.
        checked: its data.
        one: the network.
        part: which of the job's networks it is.
        length: tokens of the text that its speed is measured on.
    """
    work.report(part.stage, part.number / part.of, message=f"testing the {one.name}")
    task, examples = find(work.job.task), read(checked.data.files["test"])
    examined = Examined.of(
        task, one.folder, checked.data.labels, max_length=one.max_length, stride=one.stride
    )
    rows = examined.rows(examples)
    notes = tuple(_notes(one, task, examples, rows))
    if notes:
        work.log(*(f"warning: {note}" for note in notes))
    return Evaluated(
        score=_score(one, examined, examples, rows, length),
        settings=_settings(task, examples, length),
        notes=notes,
    )


def reads(work: Work, checked: Checked, one: Trained, length: int) -> Mapping[str, Any]:
    """What the scores depend on; latency adds the machine."""
    beside = one.course and [model_hash(taught_by(one.course)), one.course.objective]
    return {
        "task": work.job.task,
        "test": checked.data.hashes["test"],
        "labels": checked.data.labels,
        "network": [one.name, model_hash(one.folder), one.max_length, one.stride],
        "length": length,
        "machine": [machine(), torch.get_num_threads()],
        **({"beside": beside} if beside else {}),
    }


def length_of(work: Work, trained: Sequence[Trained]) -> int:
    """Of the text that all networks are measured on: a teacher may have room for less."""
    longest = [longest_text(read_config(one.folder)) for one in trained]
    return min([work.job.train.max_length, *(length for length in longest if length)])


def machine() -> str:
    """What latency depends on beside the network."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} {platform.processor() or 'CPU'}, {platform.node()}".strip()


def _settings(task: Task[Any, Any], examples: Sequence[Example], length: int) -> dict[str, Any]:
    """All that the numbers depend on beside the network and the examples."""
    return dict(task.settings(examples)) | {
        "examples": len(examples),
        "length": length,
        "latency": PROTOCOL,
        "inferences": "windows of the test split per second, batched by length",
        "machine": machine(),
        "threads": torch.get_num_threads(),
    }


def _score(
    one: Trained, examined: Examined, examples: Sequence[Example], rows: Sequence[Row], length: int
) -> Score:
    examined.answers(rows[:1])  # the first answer of a process takes longer than others
    headless = examined.task.output is Output.STATES
    began = time.perf_counter()
    found = examined.pass_over(rows) if headless else examined.answers(rows)
    seconds = time.perf_counter() - began
    config = read_config(one.folder)
    cost = count(config, task=examined.task.output, labels=len(examined.labels), length=length)
    timed = _latency(examined, int(config["vocab_size"]), length)
    return Score(
        name=one.name,
        layers=depth(config),
        parameters=cost.parameters,
        macs_linear=cost.macs_linear,
        macs_full=cost.macs_full,
        metrics=_likeness(one, examined, examples, rows)
        if headless
        else examined.scores(examples, rows, found),
        latency_ms=timed.mean_ms,
        latency_kept=timed.kept,
        inferences_per_second=len(rows) / seconds,
    )


def _likeness(
    one: Trained, examined: Examined, examples: Sequence[Example], rows: Sequence[Row]
) -> dict[str, float]:
    """How alike a network without a head is to the teacher; the teacher is so to itself."""
    if one.course is None:
        return {examined.task.primary: 1.0}
    return likeness(examined, one.course, examples, rows)


def _notes(
    one: Trained, task: Task[Any, Any], examples: Sequence[Example], rows: Sequence[Row]
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


def _latency(examined: Examined, vocabulary: int, length: int) -> Latency:
    chance = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (1, length), generator=chance).to(this_device())
    ones, zeros = torch.ones_like(ids), torch.zeros_like(ids)
    with torch.inference_mode():
        return measure(
            lambda: synchronised(examined.network, ids, ones, zeros), clock=time.perf_counter
        )
