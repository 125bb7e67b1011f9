"""The figures of a version, each with the settings that it was measured under."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alambique.registry.records import Metric
from alambique.tasks.examples import read
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import (
    CompressedModel,
    Evaluation,
    Speed,
    SpeedResult,
    TrainedModel,
)
from alambique.workers.stages.engine_race import Race
from alambique.workers.stages.table import speed_figures


def measurement_settings(
    context: JobContext, evaluation: Evaluation, speeds: SpeedResult
) -> dict[str, Any]:
    """Return how a network was measured, with the name that this job has for the examples."""
    data = {"data": context.data.test_name, "split": "test"}
    return data | evaluation.settings | speeds.settings


def test_metrics(
    context: JobContext,
    evaluation: Evaluation,
    speeds: Sequence[Speed],
    settings: Mapping[str, Any],
) -> Iterator[Metric]:
    """Yield scores and speeds; the speeds on further devices have their names in front."""
    first, *others = speeds
    figures = evaluation.score.metrics | speed_figures(first).model_dump()
    for other in others:
        by_name = speed_figures(other).model_dump()
        figures |= {f"{other.device}_{name}": figure for name, figure in by_name.items()}
    for name, value in figures.items():
        yield Metric(context.data.test_name, "test", name, value, dict(settings))


def validation_metrics(context: JobContext, model: TrainedModel) -> list[Metric]:
    """Return what a run was compared by: its loss and its primary metric on validation."""
    examples = read(context.data.files["dev"])
    settings = dict(context.task.settings(examples)) | {"examples": len(examples)}
    scores = {"loss": model.loss, context.task.primary: model.metric}
    return [
        Metric(context.data.name, "dev", name, value, settings)
        for name, value in scores.items()
        if value is not None
    ]


def compression_metrics(
    context: JobContext, compressed: CompressedModel, race: Race
) -> list[Metric]:
    """Return the scores of a student in another format, and its speeds in the race."""
    speed = race.speed_of(compressed)
    figures = compressed.metrics | {
        "p50_ms": speed.p50_ms,
        "p95_ms": speed.p95_ms,
        "p99_ms": speed.p99_ms,
        "one_thread_ms": speed.one_thread_ms,
        "speedup": speed.ratio,
        **({} if speed.memory is None else {"memory": speed.memory}),
        **{f"throughput_{size}": rate for size, rate in speed.per_second.items()},
    }
    settings = {"data": context.data.test_name, "split": "test"} | race.result.settings
    return [
        Metric(context.data.test_name, "test", name, value, dict(settings))
        for name, value in figures.items()
    ]
