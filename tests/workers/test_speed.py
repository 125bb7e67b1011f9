"""The speeds of networks: timed in interleaved rounds, told of each device, doubted where busy."""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alambique.registry import versions
from alambique.spec.states import StageName
from alambique.workers.compression.processor import model_name, processor_name
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import Speed, SpeedResult, TrainedModel
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.queue.driver import run_stages
from alambique.workers.stages import evaluate
from alambique.workers.stages.evaluate import MeasureSpeeds, machine
from alambique.workers.stages.table import busy_notes

MakeContext = Callable[..., JobContext]

CPU = torch.device("cpu")
FIGURES = ("latency_ms", "latency_low_ms", "latency_high_ms", "inferences_per_second", "throughput")


def test_speed_is_told_of_each_device(
    job_context: MakeContext, folder_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "devices", lambda: (CPU, CPU))  # as if the first were a GPU
    short = ("train.epochs=1", "train.max_length=64", "train.stride=16", "compare=[]")
    teacher = f"teacher={{model: {folder_of()}, max_length: 64, stride: 16}}"
    job = job_context(teacher, *short)
    result = run_stages(job)
    assert [row.name for row in result.rows] == ["teacher", "distilled"]
    for row in result.rows:
        (also,) = row.also
        assert also.device == "cpu"
        assert row.latency_low_ms is not None
        assert row.latency_high_ms is not None
        assert row.latency_low_ms <= row.latency_high_ms
        assert row.inferences_per_second == pytest.approx(1000 / row.latency_ms)
        with job.database.read() as session:
            name, _, number = row.version.partition("@")
            version = versions.find(session, job.job.project, name, number)
        metrics = {metric.name: metric.value for metric in version.metrics}
        for unit in FIGURES:
            figures = getattr(row, unit), getattr(also, unit)
            assert (metrics[unit], metrics[f"cpu_{unit}"]) == figures
    assert result.settings["also"] == {"cpu": result.settings["machine"]}


def test_what_is_measured_on_a_gpu_is_not_taken_for_the_same(
    checked: MakeContext, folder_of: Callable[..., Path], as_teacher: Callable[..., TrainedModel]
) -> None:
    context, model = checked(), as_teacher(folder_of(), max_length=64, stride=16)
    part = StagePart(StageName.EVALUATE, "speeds")
    alone, beside = (
        MeasureSpeeds((model,), 64, on, part).key_inputs(context) for on in ((CPU,), (CPU, CPU))
    )
    assert alone["machine"] == [machine(CPU), torch.get_num_threads()]
    assert beside["machine"] == [machine(CPU)] * 2 + [torch.get_num_threads()]


def test_a_machine_is_named_by_its_processor_so_that_another_one_is_not_taken_for_it() -> None:
    kind, host = platform.machine(), platform.node()
    assert machine(CPU) == f"{kind} {processor_name()}, {host}"
    listed = "processor : 0\nmodel name : {}\n"
    names = [model_name(listed.format(name)) for name in ("AMD EPYC 7B13", "Intel Xeon, 2.2GHz")]
    assert names == ["AMD EPYC 7B13", "Intel Xeon 2.2GHz"]
    assert all(str(name) in f"{kind} {name}, {host}".partition(", ")[0] for name in names)


def speeds_of(*latencies: float) -> SpeedResult:
    """Networks that took so many milliseconds."""
    speeds = [
        Speed(
            device="cpu",
            latency_ms=ms,
            latency_kept=90,
            latency_low_ms=ms,
            latency_high_ms=ms,
            throughput=1.0,
        )
        for ms in latencies
    ]
    return SpeedResult(networks=tuple((speed,) for speed in speeds), settings={})


@pytest.mark.parametrize(
    ("shapes", "latencies", "notes"),
    [
        ("abb", (9.0, 4.0, 4.3), 0),
        ("abb", (9.0, 4.0, 4.5), 1),
        ("abab", (9.0, 4.0, 18.0, 8.0), 2),
        ("abc", (1.0, 10.0, 100.0), 0),
    ],
)
def test_networks_of_one_shape_that_do_not_take_equally_long_tell_of_a_busy_machine(
    shapes: str, latencies: tuple[float, ...], notes: int
) -> None:
    names = [f"n{number}" for number in range(len(shapes))]
    found = list(busy_notes(names, list(shapes), speeds_of(*latencies)))
    assert len(found) == notes
    assert all("busy" in note for note in found)
