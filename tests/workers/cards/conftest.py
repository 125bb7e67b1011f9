"""Jobs that are over, in a real registry: with baselines, seeds, engines and a teacher."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.job_results import job_result, result_row

from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import Edge, File, JobRow, Metric, Publication, Version
from alambique.runtime.latency import PROTOCOL
from alambique.spec.reading import job_of
from alambique.spec.states import PublicationState
from alambique.workers.publishing.release import Release, load_release

LABELS = ("O", "B-PER", "I-PER")
JOB: dict[str, Any] = {
    "name": "tiny",
    "task": "named-entities",
    "data": {"name": "sample-entities", "limit": {"train": 200}},
    "teacher": {"model": "sample-encoder", "train": {"epochs": 3}},
    "student": {"layers": 1},
    "objective": [{"kind": "logits", "weight": 0.5}, {"kind": "gold", "weight": 0.5}],
    "compare": ["gold-only", "same-start"],
    "seeds": [1, 2],
    "compress": ["onnx", "onnx-int8"],
}
DECODER = {"tags": "first piece of each word", "entities": "seqeval default; strict IOB2"}
SETTINGS: dict[str, Any] = {
    "data": "sample-entities",
    "split": "test",
    **DECODER,
    "examples": 437,
    "length": 96,
    "latency": PROTOCOL,
    "throughput": "of 128 test examples as many per second, batched by length, in turns",
    "machine": "x86_64 CPU, host.example",
    "threads": 3,
    "also": {"cuda": "NVIDIA H200"},
}
SCORES = {1: {"f1": 0.81234, "ece": 0.0312}, 2: {"f1": 0.83456, "ece": 0.0298}}
ROWS = (
    result_row("teacher", 0.90123, layers=4, parameters=887_000, version="tiny-teacher@1"),
    result_row("gold-only", 0.70707, retention=0.7845, deviations={"f1": 0.0111}),
    result_row("same-start", 0.75757, retention=0.8406, deviations={"f1": 0.0122}),
    result_row(
        "distilled",
        0.82345,
        version="tiny@1",
        parameters=223_456,
        macs={"linear": 41_000_000, "full": 43_500_000},
        metrics={"f1": 0.82345, "ece": 0.0305},
        deviations={"f1": 0.01571, "ece": 0.00099},
        retention=0.9137,
        steps=321,
        latency_ms=3.21,
        latency_low_ms=2.98,
        latency_high_ms=4.56,
        inferences_per_second=311.5,
        throughput=1234.5,
        gains=[
            {"over": "same-start", "value": 0.06588, "low": -0.0101, "high": 0.1402, "seeds": 2},
            {"over": "gold-only", "value": 0.11638, "low": 0.0702, "high": 0.1609, "seeds": 2},
        ],
        seeds=[
            {
                "seed": seed,
                "metrics": scores,
                "validation": {"loss": loss},
                "registered": seed == 2,
            }
            for (seed, scores), loss in zip(SCORES.items(), (0.4567, 0.3456), strict=True)
        ],
        also=[{"device": "cuda", "latency_ms": 0.87, "inferences_per_second": 1149.4}],
    ),
)
ENGINES = (
    {"model": "teacher", "engine": "onnxruntime", "format": "onnx", "metric": 0.90123}
    | {"p50_ms": 5.43, "ratio": 1.0, "per_second": {8: 222.2, 32: 333.3}, "bytes": 3_550_000},
    {"model": "student", "engine": "torch", "format": "fp32"}
    | {"p50_ms": 4.32, "ratio": 1.26, "per_second": {8: 444.4, 32: 555.5}},
    {"model": "student", "engine": "onnxruntime", "format": "onnx", "version": "tiny-onnx@1"}
    | {"p50_ms": 1.23, "p95_ms": 2.34, "p99_ms": 3.45, "one_thread_ms": 1.76, "ratio": 4.41}
    | {"per_second": {8: 888.8, 32: 999.9}, "bytes": 912_000, "memory": 8_765_000}
    | {"metric": 0.83456, "is_winner": True},
    {"model": "student", "engine": "onnxruntime", "format": "onnx-int8", "metric": 0.61}
    | {
        "note": "not registered: f1 on validation 0.6100, the network's own 0.8000; "
        "compress.tolerance says how much less is accepted"
    },
)
RACE: dict[str, Any] = {"texts": 48, "threads": 2, "machine": "x86_64 CPU, host.example"}
RACE["protocol"] = "texts of the test split, evenly over their lengths, in turns"
NOTES = (
    "12 of 437 test examples share their text with train, such as s7: scores on test may be too "
    "good",
)


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "registry.db"
    opened = Database(f"sqlite:///{path}")
    opened.upgrade()
    opened.dispose()
    return path


@pytest.fixture
def database(tmp_path: Path, _migrated: Path) -> Iterator[Database]:
    """The registry of this test."""
    shutil.copy(_migrated, tmp_path / "registry.db")
    opened = Database(f"sqlite:///{tmp_path / 'registry.db'}")
    yield opened
    opened.dispose()


@pytest.fixture
def released(database: Database, publication: Callable[..., Publication]) -> Callable[..., Release]:
    """What is known of the student of a job that is over; keywords change job and result."""

    def made(
        *,
        target: str = "folder:tiny",
        override: dict[str, Any] | None = None,
        job: dict[str, Any] | None = None,
        about: dict[str, Any] | None = None,
        **result: Any,
    ) -> Release:
        with database.write() as session:
            posted = jobs.submit(session, job_of(JOB | (job or {})))
            row = jobs.take(session, "test", timedelta(minutes=1), job_id=posted.id)
        assert row is not None
        teacher = _version(database, row, "tiny-teacher", "teacher")
        student = _version(database, row, "tiny", "student", about=about, teacher=teacher)
        _version(database, row, "tiny-onnx", "onnx", details={"student": "tiny@1"})
        fields: dict[str, Any] = {
            "settings": SETTINGS,
            "engines": ENGINES,
            "race_settings": RACE,
            "notes": NOTES,
        }
        content = job_result(*result.pop("rows", ROWS), **(fields | result))
        with database.write() as session:
            jobs.finish(session, row.id, row.token, content)
        with database.read() as session:
            return load_release(session, publication(student.id, target, override))

    return made


def _version(
    database: Database,
    job: JobRow,
    name: str,
    role: str,
    *,
    about: dict[str, Any] | None = None,
    details: dict[str, Any] | None = None,
    teacher: Version | None = None,
) -> Version:
    fields = {
        "task": job.task,
        "output": "tags",
        "inputs": ["sentence"],
        "labels": list(LABELS),
        "settings": DECODER,
        "max_length": 96,
        "stride": 24,
        "made_by": {"training": [{"code": "0.1.0+abc", "libraries": {"torch": "2.13.0"}}]},
    }
    name_of_file = "model.onnx" if role == "onnx" else "model.safetensors"
    edges = [Edge("data", None, {"train": "a" * 64, "test": "b" * 64})]
    if teacher is not None:
        edges.append(Edge("teacher", teacher.id, {"weights": teacher.weights}))
    metrics = [
        Metric("sample-entities", "test", metric, value) for metric, value in SCORES[2].items()
    ]
    with database.write() as session:
        return versions.record(
            session,
            job.id,
            job.token,
            name=name,
            role=role,
            task=job.task,
            labels=LABELS,
            parameters=223_456,
            macs_linear=41_000_000,
            macs_full=43_500_000,
            weights=role * 8,
            artifact="nowhere",
            details=fields | (about or {}) | (details or {}),
            files=[File("alambique.json", "0" * 64, 444), File(name_of_file, "1" * 64, 912_345)],
            metrics=[*metrics, Metric("sample-entities", "test", "latency_ms", 3.21)],
            lineage=edges,
        )


@pytest.fixture
def publication() -> Callable[..., Publication]:
    """A publication of a version that is under way."""
    return _publication


def _publication(version: UUID, target: str, override: dict[str, Any] | None = None) -> Publication:
    at = datetime.now(UTC)
    return Publication(
        id=uuid4(),
        version_id=version,
        target=target,
        private=True,
        override=override,
        job_id=None,
        state=PublicationState.PUBLISHING,
        attempts=1,
        token=1,
        holder="test",
        lease_until=None,
        not_before=None,
        message=None,
        commit=None,
        url=None,
        created_at=at,
        updated_at=at,
        published_at=None,
    )
