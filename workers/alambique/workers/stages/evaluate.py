"""The networks of a job are measured: each is tested, and those of its table are timed together."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from alambique.models.configs import depth, longest_text, read_config
from alambique.models.counts import count
from alambique.models.weights import model_hash
from alambique.runtime.latency import PROTOCOL, Latency, measure, measure_in_turns, turn
from alambique.spec.states import StageName
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Example, read
from alambique.workers.compression.processor import processor_name
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import Evaluation, Score, Speed, SpeedResult, TrainedModel
from alambique.workers.pipeline.stage import StagePart, run_stage
from alambique.workers.scoring.cka_score import cka_score, live_teacher_of
from alambique.workers.scoring.loaded_model import LoadedModel, synchronised_logits
from alambique.workers.training.distributed import this_device
from alambique.workers.training.example_windows import ExampleWindow, lost_words
from alambique.workers.training.kinds.all import kind_of

_FRACTIONS = "fractions.npy"
_TIMED_EXAMPLES = 128
"""Of the test split, which the throughput is of: a CPU may take minutes for all of them."""
_ROUNDS = 3
"""Passes of each network over them, in rounds of one pass of each."""
_THROUGHPUT = f"of {_TIMED_EXAMPLES} test examples as many per second, batched by length, in turns"


def evaluate_models(context: JobContext, models: Sequence[TrainedModel]) -> list[Evaluation]:
    """Return the scores of each network, tested by whichever job of the project was first."""
    length = text_length(context, models)
    of = len(models) + 1  # the speeds of all are the last part of the stage
    return [
        run_stage(
            context,
            Evaluate(model, length, StagePart(StageName.EVALUATE, model.role, number, of)),
        )
        for number, model in enumerate(models)
    ]


def measure_speeds(context: JobContext, models: Sequence[TrainedModel]) -> SpeedResult:
    """Return the speeds of the networks of a job's table, timed in interleaved rounds."""
    part = StagePart(StageName.EVALUATE, "speeds", len(models), len(models) + 1)
    length = text_length(context, models)
    return run_stage(context, MeasureSpeeds(tuple(models), length, devices(), part))


def text_length(context: JobContext, models: Sequence[TrainedModel]) -> int:
    """Return the tokens of the text that all networks are measured on.

    It is as long as the students' windows, or as long as every network has positions for.
    """
    longest = [longest_text(read_config(model.folder)) for model in models]
    return min([context.job.train.max_length, *(length for length in longest if length)])


@dataclass(frozen=True, slots=True)
class Evaluate:
    """The stage that tests one network: its scores on the test split, and its size.

    Teacher and students are tested alike and one by one, so that jobs with the same teacher need
    not test it again.
    """

    model: TrainedModel
    length: int
    """Tokens of the text that its operations are counted for."""
    part: StagePart
    result_type: type[Evaluation] = Evaluation

    def key_inputs(self, context: JobContext) -> Mapping[str, Any]:
        """Return what the scores depend on."""
        model, training = self.model, self.model.training
        live = training and [model_hash(live_teacher_of(training)), training.objective]
        return {
            "task": context.job.task,
            "test": context.data.hashes["test"],
            "labels": context.data.labels,
            "network": [model_hash(model.folder), model.max_length, model.stride],
            "length": self.length,
            **({"beside": live} if live else {}),
        }

    def run(self, context: JobContext, folder: Path) -> Evaluation:
        """Test the network; write what each example adds to its score into the folder."""
        message = f"testing the {self.part.name}"
        context.report(self.part.stage, self.part.fraction(), message=message)
        model, task, labels = self.model, context.task, context.data.labels
        examples = read(context.data.files["test"])
        loaded = LoadedModel.of(
            task, model.folder, labels, max_length=model.max_length, stride=model.stride
        )
        windows = loaded.windows(examples)
        notes = tuple(_untagged_notes(context, model, examples, windows))
        if notes:
            context.log(*(f"warning: {note}" for note in notes))
        metrics, fractions_E2 = _score(model, loaded, examples, windows)
        if fractions_E2 is not None:
            np.save(folder / _FRACTIONS, fractions_E2)
        config = read_config(model.folder)
        cost = count(config, task=task.output, labels=len(loaded.labels), length=self.length)
        return Evaluation(
            score=Score(
                layers=depth(config),
                parameters=cost.parameters,
                macs_linear=cost.macs_linear,
                macs_full=cost.macs_full,
                metrics=metrics,
            ),
            settings=dict(task.settings(examples))
            | {"examples": len(examples), "length": self.length},
            fractions=None if fractions_E2 is None else folder / _FRACTIONS,
            notes=notes,
        )


def _score(
    model: TrainedModel,
    loaded: LoadedModel,
    examples: Sequence[Example],
    windows: Sequence[ExampleWindow],
) -> tuple[dict[str, float], Floats | None]:
    """Return the metrics of the task, and what each example adds to the primary one, (E, 2).

    Without a head there is only how alike a student is to its teacher, which no example tells.
    """
    if kind_of(loaded.task.output).has_head:
        return loaded.test(examples, windows)
    if model.training is None:
        return {loaded.task.primary: 1.0}, None
    return cka_score(loaded, model.training, examples, windows), None


def _untagged_notes(
    context: JobContext,
    model: TrainedModel,
    examples: Sequence[Example],
    windows: Sequence[ExampleWindow],
) -> Iterator[str]:
    """Yield a note where the network's tokenizer drops words that it should tag."""
    task = context.task
    lost = list(lost_words(task, examples, windows)) if kind_of(task.output).is_per_word else []
    if not lost:
        return
    first = examples[lost[0].example]
    word = task.texts(first)[lost[0].word]
    yield (
        f"the tokenizer of the {model.name} has no piece for {len(lost)} words of test, such as "
        f"word {lost[0].word + 1} of {first.id}, {word!r}: no network can tag them, and they count "
        "as untagged; clean the data, or take a model whose tokenizer knows them"
    )


def devices() -> tuple[torch.device, ...]:
    """Return what networks are timed on: this process's device, and the CPU where that is a GPU."""
    here, cpu = this_device(), torch.device("cpu")
    return (here,) if here == cpu else (here, cpu)


@dataclass(frozen=True, slots=True)
class MeasureSpeeds:
    """The stage that times all networks of a table in interleaved rounds: latency, throughput."""

    models: tuple[TrainedModel, ...]
    length: int
    """Tokens of the text that the latency is of."""
    devices: tuple[torch.device, ...]
    """The devices, one after the other."""
    part: StagePart
    result_type: type[SpeedResult] = SpeedResult

    def key_inputs(self, context: JobContext) -> Mapping[str, Any]:
        """Return what the speeds depend on: the networks, the texts and the machine."""
        return {
            "race": [[model_hash(one.folder), one.max_length, one.stride] for one in self.models],
            "task": context.job.task,
            "test": context.data.hashes["test"],
            "length": self.length,
            "machine": [*map(machine, self.devices), torch.get_num_threads()],
        }

    def run(self, context: JobContext, folder: Path) -> SpeedResult:
        """Measure the networks in rounds, each round with every one of them."""
        names = ", ".join(model.name for model in self.models)
        message = f"timing in turns: {names}"
        context.report(self.part.stage, self.part.fraction(), message=message)
        examples = read(context.data.files["test"])[:_TIMED_EXAMPLES]
        loaded = [
            LoadedModel.of(
                context.task,
                model.folder,
                context.data.labels,
                max_length=model.max_length,
                stride=model.stride,
                device=self.devices[0],
            )
            for model in self.models
        ]
        windows = [one.windows(examples) for one in loaded]
        by_device = []
        for device in self.devices:
            loaded = [one.to(device) for one in loaded]
            calls = [
                random_text_call(one, model.folder, self.length)
                for one, model in zip(loaded, self.models, strict=True)
            ]
            latencies = measure_in_turns(calls, clock=time.perf_counter)
            passes = [
                partial(one.answer_all, its) for one, its in zip(loaded, windows, strict=True)
            ]
            seconds = _pass_seconds(passes)
            by_device.append(
                [
                    # of examples, since windows of another length are other windows
                    _speed(device, latency, len(examples) / each)
                    for latency, each in zip(latencies, seconds, strict=True)
                ]
            )
        return SpeedResult(
            networks=tuple(zip(*by_device, strict=True)),
            settings=_speed_settings(self.length, self.devices),
        )


def machine(device: torch.device) -> str:
    """Return what latency on a device depends on besides the network: its model, then the host."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {processor_name()}, {platform.node()}".strip()


def random_text_call(examined: LoadedModel, folder: Path, length: int) -> Callable[[], object]:
    """Return a call that has the network of a folder answer one text of so many random pieces."""
    vocabulary = int(read_config(folder)["vocab_size"])
    chance = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (1, length), generator=chance).to(examined.device)
    ones, zeros = torch.ones_like(ids), torch.zeros_like(ids)

    @torch.inference_mode()
    def answer() -> object:
        return synchronised_logits(examined.network, ids, ones, zeros)

    return answer


def latency_of(examined: LoadedModel, folder: Path, length: int) -> Latency:
    """Return how long a network takes by itself for one text of so many random pieces."""
    return measure(random_text_call(examined, folder, length), clock=time.perf_counter)


def _pass_seconds(passes: Sequence[Callable[[], object]]) -> list[float]:
    """Return the median seconds of each pass over interleaved rounds, each of every pass once."""
    times: list[list[float]] = [[] for _ in passes]
    for number in range(_ROUNDS):
        for which in turn(len(passes), number):
            began = time.perf_counter()
            passes[which]()
            times[which].append(time.perf_counter() - began)
    return [median(one) for one in times]


def _speed(device: torch.device, latency: Latency, throughput: float) -> Speed:
    return Speed(
        device=device.type,
        latency_ms=latency.mean_ms,
        latency_kept=latency.kept,
        latency_low_ms=latency.low_ms,
        latency_high_ms=latency.high_ms,
        throughput=throughput,
    )


def _speed_settings(length: int, devices: Sequence[torch.device]) -> dict[str, Any]:
    """Return all that the speeds depend on besides the networks."""
    first, *others = devices
    return {
        "length": length,
        "latency": PROTOCOL,
        "throughput": _THROUGHPUT,
        "machine": machine(first),
        "threads": torch.get_num_threads(),
        **({"also": {one.type: machine(one) for one in others}} if others else {}),
    }
