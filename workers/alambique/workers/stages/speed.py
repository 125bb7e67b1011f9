"""How fast the networks of a job are, measured in turns in one process."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from alambique.models.configs import read_config
from alambique.models.weights import model_hash
from alambique.registry.job_result import busy_note
from alambique.runtime.latency import PROTOCOL, Latency, measure, measure_in_turns, turn
from alambique.tasks.examples import read
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import Speed, SpeedResult, TrainedModel
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.scoring.loaded_model import LoadedModel, synchronised
from alambique.workers.training.distributed import this_device

_EXAMPLES = 128
"""Of the test split, which the throughput is of: a CPU may take minutes for all of them."""
_ROUNDS = 3
"""In which every network reads them."""
_THROUGHPUT = f"of {_EXAMPLES} test examples as many per second, batched by length, in turns"


def devices() -> tuple[torch.device, ...]:
    """What networks are measured on: the device of this process, and where it is a GPU, the CPU."""
    here, cpu = this_device(), torch.device("cpu")
    return (here,) if here == cpu else (here, cpu)


@dataclass(frozen=True, slots=True)
class MeasureSpeeds:
    """The stage that measures latency and throughput of all networks of a table, in turns."""

    models: tuple[TrainedModel, ...]
    length: int
    """Tokens of the text that the latency is of."""
    on: tuple[torch.device, ...]
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
            "machine": [*map(machine, self.on), torch.get_num_threads()],
        }

    def run(self, context: JobContext, folder: Path) -> SpeedResult:
        """Measure the networks in rounds, each round with every one of them."""
        names = ", ".join(model.name for model in self.models)
        message = f"timing in turns: {names}"
        context.report(self.part.stage, self.part.fraction(), message=message)
        examples = read(context.data.files["test"])[:_EXAMPLES]
        loaded = [
            LoadedModel.of(
                context.task,
                model.folder,
                context.data.labels,
                max_length=model.max_length,
                stride=model.stride,
                device=self.on[0],
            )
            for model in self.models
        ]
        windows = [one.windows(examples) for one in loaded]
        by_device = []
        for device in self.on:
            loaded = [one.moved(device) for one in loaded]
            calls = [
                text_call(one, model.folder, self.length)
                for one, model in zip(loaded, self.models, strict=True)
            ]
            latencies = measure_in_turns(calls, clock=time.perf_counter)
            passes = [partial(one.pass_over, its) for one, its in zip(loaded, windows, strict=True)]
            seconds = _pass_seconds(passes)
            by_device.append(
                [
                    # of examples, since windows of another length are other windows
                    _speed(device, latency, len(examples) / each)
                    for latency, each in zip(latencies, seconds, strict=True)
                ]
            )
        return SpeedResult(
            networks=tuple(zip(*by_device, strict=True)), settings=_settings(self.length, self.on)
        )


def machine(device: torch.device) -> str:
    """What latency on a device depends on beside the network."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {platform.processor() or 'CPU'}, {platform.node()}".strip()


def text_call(examined: LoadedModel, folder: Path, length: int) -> Callable[[], object]:
    """Return a call that has the network of a folder answer one text of so many random pieces."""
    vocabulary = int(read_config(folder)["vocab_size"])
    chance = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (1, length), generator=chance).to(examined.device)
    ones, zeros = torch.ones_like(ids), torch.zeros_like(ids)

    @torch.inference_mode()
    def answer() -> object:
        return synchronised(examined.network, ids, ones, zeros)

    return answer


def latency_of(examined: LoadedModel, folder: Path, length: int) -> Latency:
    """Return how long a network takes by itself for one text of so many random pieces."""
    return measure(text_call(examined, folder, length), clock=time.perf_counter)


def busy_notes(names: Sequence[str], shapes: Sequence[object], raced: SpeedResult) -> list[str]:
    """Return a note for each two networks of one shape that did not take equally long.

    Args:
        names: of the networks.
        shapes: what decides how long each takes; equal ones should take equally long.
        raced: their speeds.
    """
    notes: list[str | None] = []
    for speeds in zip(*raced.networks, strict=True):  # of one device after the other
        for shape in dict.fromkeys(shapes):
            twins = [
                (speed.latency_ms, name)
                for speed, name, its in zip(speeds, names, shapes, strict=True)
                if its == shape
            ]
            notes.append(busy_note(twins, speeds[0].device))
    return [note for note in notes if note]


def _pass_seconds(passes: Sequence[Callable[[], object]]) -> list[float]:
    """The median time of each pass over rounds in which all are made, in turns."""
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


def _settings(length: int, on: Sequence[torch.device]) -> dict[str, Any]:
    """All that the speeds depend on beside the networks."""
    first, *others = on
    return {
        "length": length,
        "latency": PROTOCOL,
        "throughput": _THROUGHPUT,
        "machine": machine(first),
        "threads": torch.get_num_threads(),
        **({"also": {one.type: machine(one) for one in others}} if others else {}),
    }
