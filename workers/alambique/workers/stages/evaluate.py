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
from alambique.workers.records import Checked, Evaluated, Score, Speed, Trained
from alambique.workers.running import Part
from alambique.workers.testing import Examined, synchronised
from alambique.workers.training.answers import Answer
from alambique.workers.training.place import this_device
from alambique.workers.training.rows import Row, lost_words
from alambique.workers.work import Work

_WINDOWS = 512
"""Of the test split, which a device beside the first one reads: a CPU may take minutes for them."""
_BATCHED = "windows of the test split per second, batched by length"


def devices() -> tuple[torch.device, ...]:
    """What networks are measured on: the device of this process, and where it is a GPU, the CPU."""
    here, cpu = this_device(), torch.device("cpu")
    return (here,) if here == cpu else (here, cpu)


def evaluate(
    work: Work,
    checked: Checked,
    one: Trained,
    part: Part,
    length: int,
    on: Sequence[torch.device],
) -> Evaluated:
    """The scores of one network of the job.

    Args:
        work: the job.
        checked: its data.
        one: the network.
        part: which of the job's networks it is.
        length: tokens of the text that its speed is measured on.
        on: the device that it is tested on, and others on which only its speed is measured.
    """
    work.report(part.stage, part.number / part.of, message=f"testing the {one.name}")
    task, examples = find(work.job.task), read(checked.data.files["test"])
    windows = {"max_length": one.max_length, "stride": one.stride}
    examined = Examined.of(task, one.folder, checked.data.labels, **windows, device=on[0])
    rows = examined.rows(examples)
    notes = tuple(_notes(one, task, examples, rows))
    if notes:
        work.log(*(f"warning: {note}" for note in notes))
    return Evaluated(
        score=_score(one, examined, examples, rows, length, on[1:]),
        settings=_settings(task, examples, length, on),
        notes=notes,
    )


def reads(
    work: Work, checked: Checked, one: Trained, length: int, on: Sequence[torch.device]
) -> Mapping[str, Any]:
    """What the scores depend on; latency adds the machine, by each of its devices."""
    beside = one.course and [model_hash(taught_by(one.course)), one.course.objective]
    return {
        "task": work.job.task,
        "test": checked.data.hashes["test"],
        "labels": checked.data.labels,
        "network": [one.name, model_hash(one.folder), one.max_length, one.stride],
        "length": length,
        "machine": [*map(machine, on), torch.get_num_threads()],
        **({"beside": beside} if beside else {}),
    }


def length_of(work: Work, trained: Sequence[Trained]) -> int:
    """Of the text that all networks are measured on: a teacher may have room for less."""
    longest = [longest_text(read_config(one.folder)) for one in trained]
    return min([work.job.train.max_length, *(length for length in longest if length)])


def machine(device: torch.device) -> str:
    """What latency on a device depends on beside the network."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {platform.processor() or 'CPU'}, {platform.node()}".strip()


def _settings(
    task: Task[Any, Any], examples: Sequence[Example], length: int, on: Sequence[torch.device]
) -> dict[str, Any]:
    """All that the numbers depend on beside the network and the examples."""
    first, *others = on
    also = {
        device.type: {
            "machine": machine(device),
            "inferences": f"{_BATCHED}, of its first {_WINDOWS}",
        }
        for device in others
    }
    return dict(task.settings(examples)) | {
        "examples": len(examples),
        "length": length,
        "latency": PROTOCOL,
        "inferences": _BATCHED,
        "machine": machine(first),
        "threads": torch.get_num_threads(),
        **({"also": also} if also else {}),
    }


def _score(
    one: Trained,
    examined: Examined,
    examples: Sequence[Example],
    rows: Sequence[Row],
    length: int,
    others: Sequence[torch.device],
) -> Score:
    found, rate = _answered(examined, rows)
    config = read_config(one.folder)
    cost = count(config, task=examined.task.output, labels=len(examined.labels), length=length)
    vocabulary = int(config["vocab_size"])
    timed = latency_of(examined, vocabulary, length)
    return Score(
        name=one.name,
        layers=depth(config),
        parameters=cost.parameters,
        macs_linear=cost.macs_linear,
        macs_full=cost.macs_full,
        metrics=_metrics(one, examined, examples, rows, found),
        latency_ms=timed.mean_ms,
        latency_kept=timed.kept,
        inferences_per_second=rate,
        also=tuple(_speed(examined.moved(other), rows, vocabulary, length) for other in others),
    )


def _speed(examined: Examined, rows: Sequence[Row], vocabulary: int, length: int) -> Speed:
    _, rate = _answered(examined, rows[:_WINDOWS])
    timed = latency_of(examined, vocabulary, length)
    return Speed(
        device=examined.device.type,
        latency_ms=timed.mean_ms,
        latency_kept=timed.kept,
        inferences_per_second=rate,
    )


def _metrics(
    one: Trained,
    examined: Examined,
    examples: Sequence[Example],
    rows: Sequence[Row],
    found: Sequence[Answer],
) -> dict[str, float]:
    """Those of the task; without a head, how alike a student is to its teacher."""
    if examined.task.output is not Output.STATES:
        return examined.scores(examples, rows, found)
    if one.course is None:
        return {examined.task.primary: 1.0}
    return likeness(examined, one.course, examples, rows)


def _answered(examined: Examined, rows: Sequence[Row]) -> tuple[list[Answer], float]:
    """The answers for the rows, and how many of them come in a second."""
    examined.answers(rows[:1])  # the first answer of a process takes longer than others
    keeping = examined.task.output is not Output.STATES
    began = time.perf_counter()
    found = examined.answers(rows) if keeping else examined.pass_over(rows)
    return found, len(rows) / (time.perf_counter() - began)


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


def latency_of(examined: Examined, vocabulary: int, length: int) -> Latency:
    """How long a network takes for one text, of so many random pieces."""
    chance = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (1, length), generator=chance).to(examined.device)
    ones, zeros = torch.ones_like(ids), torch.zeros_like(ids)
    with torch.inference_mode():
        return measure(
            lambda: synchronised(examined.network, ids, ones, zeros), clock=time.perf_counter
        )
