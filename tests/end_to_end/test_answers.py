"""Question answering through every stage, and questions put to what comes of it."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tests.sample.shipped import shipped
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from alambique.registry import versions
from alambique.registry.database import Database
from alambique.registry.job_result import JobResult
from alambique.registry.records import Version
from alambique.runtime import Query, load
from alambique.runtime.about import ABOUT
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import State
from alambique.workers.queue.driver import run_here
from alambique.workers.scoring.predicting import predict
from alambique.workers.stages.artifacts import fetch_model

DEMO = Path(__file__).parents[2] / "recipes" / "demo.yaml"
SHORT = (
    "data.limit={train: 48, dev: 16, test: 16, unlabelled: 300}",
    "teacher.train.epochs=1",
    "teacher.gate=off",
    "compare=[]",
    "compress={formats: [onnx-int8], tolerance: 1}",
    "resources={workers: 1}",
)
LONGEST = 30
"""Pieces of the longest answer."""


@dataclass(frozen=True)
class Made:
    """What a job has registered: the files of its student, and of that in int8."""

    student: Path
    int8: Path
    result: JobResult
    versions: Mapping[str, Version]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What a job has made."""
    settings = Settings(home=tmp_path_factory.mktemp("answers"))
    database = Database(settings.database)
    database.upgrade()
    torch.set_num_threads(1)
    row = run_here(settings, database, read_job(DEMO.read_text(), SHORT), posted=lambda _: None)
    assert row.state is State.SUCCEEDED, row.message
    with database.read() as session:
        names = ("demo", "demo-onnx-int8")
        found = {name: versions.find(session, "default", name, "1") for name in names}
    database.dispose()
    result = JobResult.read(row.result or {})
    assert result is not None
    student, int8 = (fetch_model(settings, version) for version in found.values())
    return Made(student, int8, result, found)


@pytest.fixture(scope="module")
def student(made: Made) -> Path:
    """The files of the student."""
    return made.student


def by_plain_transformers(folder: Path, question: str, context: str) -> str:
    """The span with the highest sum of two logits, found by trying them all."""
    tokens = AutoTokenizer.from_pretrained(folder)(
        question, context, return_tensors="pt", return_offsets_mapping=True
    )
    offsets, second = tokens.pop("offset_mapping")[0], tokens.sequence_ids()
    with torch.inference_mode():
        found = AutoModelForQuestionAnswering.from_pretrained(folder)(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
    inside = [n for n, text in enumerate(second) if text == 1]
    pairs = [(a, b) for a in inside for b in inside if a <= b < a + LONGEST]
    a, b = max(pairs, key=lambda ab: found.start_logits[0, ab[0]] + found.end_logits[0, ab[1]])
    return context[offsets[a][0] : offsets[b][1]]


def test_it_answers_as_plain_transformers_would(student: Path) -> None:
    for asked in shipped("questions", "test")[:4]:
        found = predict(student, question=asked.question, context=asked.context)
        assert found["answer"] == asked.context[found["start"] : found["end"]]
        assert found["answer"] == by_plain_transformers(student, asked.question, asked.context)
        assert 0 < found["score"] <= 1


def test_in_int8_it_answers_without_torch_as_the_student_does(made: Made) -> None:
    asked = shipped("questions", "test")[:8]
    queries = [Query(one.question, one.context) for one in asked]
    answers = load(made.int8).run(queries)
    own = [predict(made.student, question=one.question, context=one.context) for one in asked]
    same = [a["answer"] == b["answer"] for a, b in zip(answers, own, strict=True)]
    assert sum(same) >= 6
    sizes = [sum(file.size for file in made.versions[name].files) for name in made.versions]
    assert sizes[1] < sizes[0] / 2


def test_its_version_names_the_student_and_the_race_is_in_the_result(made: Made) -> None:
    student, int8 = made.versions.values()
    assert int8.details["student"] == "demo@1"
    assert ("student", student.id) in [(edge.relation, edge.parent) for edge in int8.lineage]
    assert {metric.name for metric in int8.metrics} >= {"f1", "p50_ms", "speedup"}
    engines = {(row.model, row.format): row for row in made.result.engines}
    assert engines["student", "onnx-int8"].version == "demo-onnx-int8@1"
    assert engines["teacher", "onnx"].ratio == 1.0
    assert engines["teacher", "onnx"].version is None


@pytest.mark.parametrize(("threshold", "answers"), [(-1e6, False), (1e6, True)])
def test_whether_there_is_no_answer_is_decided_by_the_threshold(
    student: Path, tmp_path: Path, threshold: float, answers: bool
) -> None:
    folder = shutil.copytree(student, tmp_path / "student")
    about = json.loads((folder / ABOUT).read_text())
    assert (about["output"], about["inputs"]) == ("span", ["question", "context"])
    about["settings"]["null_threshold"] = threshold
    (folder / ABOUT).write_text(json.dumps(about))
    asked = shipped("questions", "test")[0]
    found = predict(folder, question=asked.question, context=asked.context)
    assert bool(found["answer"]) is answers
