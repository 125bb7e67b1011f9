"""A student in other formats: made, judged on validation, refused where it loses too much."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alambique.runtime.engines import ONNX_FILE
from alambique.spec.compression import Compression, Format
from alambique.spec.states import StageName
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import RaceResult, TrainedModel
from alambique.workers.pipeline.stage import StagePart, stage_key
from alambique.workers.stages.compress import Compress, compress_students, content_hash, mean_cosine
from alambique.workers.stages.engine_race import engine_rows, race_engines, race_notes
from alambique.workers.stages.table import TableLine

PART = StagePart(StageName.COMPRESS, "a file")


@pytest.fixture
def student(
    folder_of: Callable[..., Path], as_teacher: Callable[..., TrainedModel]
) -> TrainedModel:
    """A network with random weights in the place of a student."""
    folder = folder_of("student", layers=1)
    model = as_teacher(folder, max_length=64, stride=16)
    return model.model_copy(update={"name": "distilled", "loss": 1.0})


def with_formats(context: JobContext, *formats: Format, tolerance: float = 0.5) -> JobContext:
    compress = Compression(formats=formats, tolerance=tolerance)
    return replace(context, job=context.job.model_copy(update={"compress": compress}))


def without_products(result: RaceResult) -> RaceResult:
    """The same race, of a machine whose processor has no instructions for int8."""
    return result.model_copy(update={"settings": result.settings | {"byte_products": False}})


def test_a_student_is_compressed_and_raced_beside_its_teacher(
    checked: Callable[..., JobContext],
    folder_of: Callable[..., Path],
    as_teacher: Callable[..., TrainedModel],
    student: TrainedModel,
) -> None:
    context = with_formats(checked(), Format.ONNX_INT8, Format.BF16)
    files = compress_students(context, [student])
    assert [each.format for each in files] == [Format.ONNX_INT8, Format.BF16]
    assert [each.failure for each in files] == [None, None]
    for each in files:
        assert each.content == content_hash(each.folder)
        assert (each.folder / "tokenizer.json").is_file()
        assert 0 < each.difference < 2  # logits of random weights, in 32 columns
        assert each.metrics.keys() >= {"f1"}
    (whole,) = student.folder.glob("model.safetensors")
    assert files[1].bytes < 0.6 * whole.stat().st_size
    teacher = as_teacher(folder_of("teacher"), max_length=64, stride=16)
    lines = [TableLine((teacher,), ()), TableLine((student,), ())]
    race = race_engines(context, lines, files)
    assert [(each.model.role, each.engine, each.format) for each in race.contestants] == [
        ("teacher", "onnxruntime", "onnx"),
        ("teacher", "torch", "fp32"),
        ("teacher", "torch, padded", "fp32"),
        ("student", "torch", "fp32"),
        ("student", "onnxruntime", "onnx-int8"),
        ("student", "torch", "bf16"),
    ]
    speeds = race.result.speeds
    assert speeds[0].ratio == 1.0
    assert all(each.p50_ms <= each.p95_ms <= each.p99_ms for each in speeds)
    assert all(rate > 0 for each in speeds for rate in each.per_second.values())
    rows = list(engine_rows(race, files, {("student", "onnx-int8"): "ner-onnx-int8@1"}))
    is_linux = sys.platform.startswith("linux")
    for row in rows:
        assert (row.memory is not None) is (is_linux and row.engine == "onnxruntime")
        assert row.memory is None or 0 < row.memory < 200e6
    assert list(race_notes(replace(race, result=without_products(race.result)))) != []
    assert list(race_notes(replace(race, contestants=race.contestants[:4]))) == []
    (winner,) = (row for row in rows if row.is_winner)
    quickest = max(speeds[3:], key=lambda speed: speed.ratio)
    assert (winner.model, winner.ratio) == ("student", quickest.ratio)
    assert [row.version for row in rows if row.version] == ["ner-onnx-int8@1"]
    # done again it is found, and another tolerance is another question
    assert compress_students(context, [student]) == files
    one = Compress(student, Format.ONNX_INT8, 0.5, 256, PART)
    assert stage_key(context, one) != stage_key(context, replace(one, tolerance=0.1))


def test_what_loses_too_much_is_not_accepted_and_listed_last(
    checked: Callable[..., JobContext],
    folder_of: Callable[..., Path],
    as_teacher: Callable[..., TrainedModel],
    student: TrainedModel,
) -> None:
    context = with_formats(checked(), Format.FP16, Format.BF16)
    kept, lost = compress_students(context, [student])
    # what the stage decides from: a score on validation beside the student's own
    assert kept.accepted == (kept.score >= kept.own_score * 0.5)
    lost = lost.model_copy(update={"score": kept.own_score - 0.1, "accepted": False})
    teacher = as_teacher(folder_of("teacher", layers=1), max_length=64, stride=16)
    lines = [TableLine((teacher,), ()), TableLine((student,), ())]
    race = race_engines(context, lines, [kept, lost])
    rows = list(engine_rows(race, [kept, lost], {}))
    assert [row.format for row in rows][-2:] == ["fp16", "bf16"]
    assert (rows[-1].p50_ms, rows[-1].validation) == (None, lost.score)
    assert rows[-1].note is not None
    assert "compress.tolerance" in rows[-1].note


def test_a_format_that_cannot_be_made_says_why_and_fails_no_job(
    checked: Callable[..., JobContext], student: TrainedModel
) -> None:
    context = checked()
    broken = Compress(student, Format.ONNX, 0.01, 256, PART).run(context, student.folder.parent)
    lost = broken.model_copy(update={"failure": "RuntimeError: no operator", "accepted": False})
    stage = Compress(student, Format.ONNX_INT8, 0.01, 256, PART, exported=lost)
    made = stage.run(context, student.folder.parent)
    assert (made.failure, made.accepted, made.bytes) == ("RuntimeError: no operator", False, 0)
    (broken.folder / ONNX_FILE).write_bytes(b"no network")
    damaged = replace(stage, exported=broken).run(context, student.folder.parent)
    assert damaged.failure
    assert not damaged.accepted


def test_states_are_compared_by_their_direction() -> None:
    ours = [np.eye(3, dtype=np.float32), np.ones((2, 3), np.float32)]
    assert mean_cosine(ours, [2 * each for each in ours]) == pytest.approx(1.0)
    assert mean_cosine(ours, [-each for each in ours]) == pytest.approx(-1.0)
