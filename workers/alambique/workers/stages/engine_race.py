"""The networks of a job in every engine, raced on this machine over real texts."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from alambique.registry.job_result import EngineRow
from alambique.runtime.latency import turn
from alambique.runtime.memory import measure_memory
from alambique.runtime.windows import pad
from alambique.spec.compression import Format
from alambique.spec.states import StageName, StudentRole
from alambique.tasks.examples import Example, read
from alambique.tasks.task import Task
from alambique.workers.compression.processor import has_int8_instructions
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import (
    CompressedModel,
    EngineSpeed,
    RaceResult,
    TrainedModel,
)
from alambique.workers.pipeline.stage import StagePart, run_stage
from alambique.workers.scoring.loaded_model import LoadedModel
from alambique.workers.stages.compress import export_model, load_model, open_network
from alambique.workers.stages.evaluate import machine
from alambique.workers.stages.table import TableLine
from alambique.workers.training.batches import InputTensors

RACED_TEXTS = 48
"""Of the test split, evenly over its lengths: each is answered by itself, by every contestant."""
_WARMUPS = 4
_BATCHES = (8, 64)
"""Texts of a batch, which the throughput is of."""
_BATCH_ROUNDS = 3
_BYTE_PRODUCTS = "byte_products"
"""The setting that says whether the processor has instructions for int8."""
FP32 = "fp32"
"""The format of a network as it was trained."""
PADDED = "torch, padded"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A network in one engine."""

    model: TrainedModel
    engine: str
    format: str
    compressed: CompressedModel | None = None
    """Its files; None: the network itself, by torch."""
    is_padded: bool = False
    """Whether each text is padded to the longest that the network takes."""

    @property
    def content(self) -> str:
        """What decides how fast it is."""
        return self.compressed.content if self.compressed else self.model.weights


@dataclass(frozen=True, slots=True)
class EngineRace:
    """The stage that times all contestants in interleaved rounds."""

    contestants: tuple[Contestant, ...]
    """All that are timed; ratios are over the first."""
    part: StagePart
    result_type: type[RaceResult] = RaceResult

    def key_inputs(self, context: JobContext) -> Mapping[str, Any]:
        """Return what the speeds depend on: the files, the texts and the machine."""
        return {
            "engines": [
                [each.engine, each.format, each.content, each.model.max_length, each.model.stride]
                for each in self.contestants
            ],
            "task": context.job.task,
            "test": context.data.hashes["test"],
            "machine": [machine(torch.device("cpu")), torch.get_num_threads()],
        }

    def run(self, context: JobContext, folder: Path) -> RaceResult:
        """Time every contestant: one text at a time, then batches, then with one thread.

        Last the memory of those that an engine runs is measured, each in a process of its own.
        """
        examples = evenly_by_length(context.task, read(context.data.files["test"]), RACED_TEXTS)
        context.report(self.part.stage, self.part.fraction(), message="racing engines")
        threads = torch.get_num_threads()
        runners = [_open(context, each) for each in self.contestants]
        times = milliseconds_by_text([[each.call([one]) for one in examples] for each in runners])
        batches = {size: batch_seconds(runners, examples, size) for size in _BATCHES}
        with one_thread():
            runners = [_open(context, each) for each in self.contestants]
            alone = milliseconds_by_text(
                [[each.call([one]) for one in examples] for each in runners]
            )
        shape = runners[0].shape(examples[-1:])
        memory = [_memory(each, shape, threads) for each in self.contestants]
        return RaceResult(
            speeds=tuple(
                EngineSpeed(
                    p50_ms=float(np.quantile(own, 0.5)),
                    p95_ms=float(np.quantile(own, 0.95)),
                    p99_ms=float(np.quantile(own, 0.99)),
                    per_second={size: size / seconds[n] for size, seconds in batches.items()},
                    one_thread_ms=float(np.quantile(alone[n], 0.5)),
                    ratio=float(np.median(times[0] / own)),
                    memory=memory[n],
                )
                for n, own in enumerate(times)
            ),
            settings={
                "texts": len(examples),
                "batches": list(_BATCHES),
                "threads": threads,
                "machine": machine(torch.device("cpu")),
                _BYTE_PRODUCTS: has_int8_instructions(),
                "memory_shape": list(shape),
                "protocol": "texts of the test split, evenly over their lengths, in turns",
            },
        )


@dataclass(frozen=True, slots=True)
class Race:
    """What was timed, and how fast each was; ratios are over the first."""

    contestants: tuple[Contestant, ...]
    result: RaceResult

    def speed_of(self, compressed: CompressedModel) -> EngineSpeed:
        """Return how fast a student is in one format."""
        pairs = zip(self.contestants, self.result.speeds, strict=True)
        return next(speed for one, speed in pairs if one.compressed == compressed)


@dataclass(frozen=True, slots=True)
class _BatchCall:
    """A contestant and one padded batch; calling it answers the batch."""

    loaded: LoadedModel
    inputs: InputTensors

    @torch.inference_mode()
    def __call__(self) -> object:
        """Return the logits."""
        return self.loaded.forward(self.inputs)


@dataclass(frozen=True, slots=True)
class _Runner:
    """A contestant that is ready to run."""

    loaded: LoadedModel
    padded_to: int | None

    def shape(self, examples: Sequence[Example]) -> tuple[int, int]:
        """Return how many windows some examples have, and the pieces of the longest."""
        lengths = [len(each.window) for each in self.loaded.windows(examples)]
        return len(lengths), max(lengths)

    def call(self, examples: Sequence[Example]) -> Callable[[], object]:
        """Return a call that answers all windows of some examples as one batch."""
        windows = [each.window for each in self.loaded.windows(examples)]
        arrays = pad(windows, self.loaded.encoder.pad_id, length=self.padded_to)
        tensors = InputTensors(
            *map(torch.from_numpy, (arrays.input_ids_BN, arrays.attention_BN, arrays.type_ids_BN))
        )
        return _BatchCall(self.loaded, tensors)


def race_engines(
    context: JobContext, lines: Sequence[TableLine], compressed: Sequence[CompressedModel]
) -> Race:
    """Race a job's first teacher and its students, the students in every format.

    The contestants begin with the first teacher in float32: in onnxruntime, if it could be written
    as ONNX; by torch; and by torch with each text padded to the longest that the network takes, as
    published speed-ups often are. All ratios are over the first contestant.

    Args:
        context: the job.
        lines: of its table.
        compressed: the files of its students; those that are not registered are not raced.
    """
    teacher = lines[0].model
    part = StagePart(StageName.COMPRESS, "race", len(compressed), len(compressed) + 1)
    teacher_onnx = export_model(context, teacher, part)
    contestants = [
        *([] if teacher_onnx.failure else [_contestant(teacher_onnx)]),
        Contestant(teacher, "torch", FP32),
        Contestant(teacher, PADDED, FP32, is_padded=True),
    ]
    for line in lines:
        if line.name == StudentRole.DISTILLED:
            contestants.append(Contestant(line.model, "torch", FP32))
            contestants += [
                _contestant(each)
                for each in compressed
                if each.accepted and each.model.role == line.model.role
            ]
    return Race(tuple(contestants), run_stage(context, EngineRace(tuple(contestants), part)))


def engine_rows(
    race: Race,
    compressed: Sequence[CompressedModel],
    versions: Mapping[tuple[str, str], str],
) -> Iterator[EngineRow]:
    """Yield a row for each contestant, then one for each file that is not registered.

    Args:
        race: of those that are registered, and of the first teacher.
        compressed: all files of the students.
        versions: the registered ones as name@number, by the role of the network and the format.
    """
    contestants, speeds = race.contestants, race.result.speeds
    students = [n for n, each in enumerate(contestants) if _is_students(each)]
    # the ratio compares the same texts in the same turns: medians alone may differ by luck
    winner = max(students, key=lambda n: speeds[n].ratio)
    for n, (each, speed) in enumerate(zip(contestants, speeds, strict=True)):
        yield EngineRow(
            model=each.model.role,
            engine=each.engine,
            format=each.format,
            version=versions.get((each.model.role, each.format)),
            **_score_fields(each.compressed),
            p50_ms=speed.p50_ms,
            p95_ms=speed.p95_ms,
            p99_ms=speed.p99_ms,
            one_thread_ms=speed.one_thread_ms,
            per_second=speed.per_second,
            ratio=speed.ratio,
            memory=speed.memory,
            is_winner=n == winner,
        )
    for one in compressed:
        if not one.accepted:
            yield EngineRow(
                model=one.model.role,
                engine=engine_of(one.format),
                format=one.format,
                **_score_fields(one),
                note=one.failure or _loss_note(one),
            )


def race_notes(race: Race) -> Iterator[str]:
    """Yield what a reader of the race's table should not miss."""
    if race.contestants[0].compressed is None:
        yield (
            "the teacher could not be made an ONNX file (the log says why): speed-ups of the "
            f"engines are over it by {race.contestants[0].engine}"
        )
    is_quantized = any(c.compressed and c.compressed.format.is_quantized for c in race.contestants)
    if is_quantized and race.result.settings.get(_BYTE_PRODUCTS) is False:
        yield (
            "the processor of this race has no instructions for products of bytes (VNNI or the "
            "like): int8 may be slow there, and its products may overflow, which costs score"
        )


def engine_of(form: Format) -> str:
    """Return the engine that runs files of a format."""
    match form:
        case Format.ONNX | Format.ONNX_INT8 | Format.ONNX_INT8_STATIC:
            return "onnxruntime"
        case Format.OPENVINO | Format.OPENVINO_INT8:
            return "openvino"
        case Format.BF16 | Format.FP16:
            return "torch"


def evenly_by_length(
    task: Task[Any, Any], examples: Sequence[Example], count: int
) -> list[Example]:
    """Return so many of the examples, evenly over the lengths of their texts, in a fixed order."""
    ordered = sorted(examples, key=lambda each: sum(map(len, task.texts(each))))
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    return [ordered[place] for place in places]


def milliseconds_by_text(calls: Sequence[Sequence[Callable[[], object]]]) -> list[Any]:
    """Return the milliseconds of each call, (E,) for each contestant.

    Each round makes one call of every contestant, all of them for the same text.
    """
    for contestant in calls:
        for call in contestant[:_WARMUPS]:
            call()
    times = np.zeros((len(calls), len(calls[0])))
    for number in range(len(calls[0])):
        for which in turn(len(calls), number):
            calls[which][number]()  # the first run of a shape may compile for it
            began = time.perf_counter()
            calls[which][number]()
            times[which, number] = (time.perf_counter() - began) * 1000
    return list(times)


def batch_seconds(
    runners: Sequence[_Runner], examples: Sequence[Example], size: int
) -> list[float]:
    """Return the median seconds of each contestant for a batch of so many texts."""
    texts = [examples[n % len(examples)] for n in range(size)]
    calls = [runner.call(texts) for runner in runners]
    times: list[list[float]] = [[] for _ in calls]
    for number in range(_BATCH_ROUNDS + 1):
        for which in turn(len(calls), number):
            began = time.perf_counter()
            calls[which]()
            times[which].append(time.perf_counter() - began)
    return [median(own[1:]) for own in times]  # the first one warms up


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch, and engines that are opened meanwhile, use one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _open(context: JobContext, contestant: Contestant) -> _Runner:
    loaded = load_model(context, contestant.model)
    if contestant.compressed:
        network = open_network(context, contestant.compressed.folder, contestant.compressed.format)
        loaded = loaded.with_network(network)
    return _Runner(loaded, contestant.model.max_length if contestant.is_padded else None)


def _memory(contestant: Contestant, shape: tuple[int, int], threads: int) -> int | None:
    """Return the bytes that a contestant takes; None: torch runs it, or they are not known here."""
    files = contestant.compressed
    if files is None or not files.format.has_engine_file:
        return None
    return measure_memory(files.folder, shape, threads=threads)


def _contestant(compressed: CompressedModel) -> Contestant:
    return Contestant(compressed.model, engine_of(compressed.format), compressed.format, compressed)


def _is_students(contestant: Contestant) -> bool:
    return contestant.model.name == StudentRole.DISTILLED


def _score_fields(compressed: CompressedModel | None) -> dict[str, Any]:
    if compressed is None or compressed.failure:
        return {}
    return {
        "bytes": compressed.bytes,
        "metric": compressed.metrics.get(compressed.metric),
        "metric_name": compressed.metric,
        "validation": compressed.score,
        "own_validation": compressed.own_score,
        "difference": compressed.difference,
    }


def _loss_note(compressed: CompressedModel) -> str:
    return (
        f"not registered: {compressed.metric} on validation {compressed.score:.4f}, the network's "
        f"own {compressed.own_score:.4f}; compress.tolerance says how much less is accepted"
    )
