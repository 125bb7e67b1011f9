"""General distillation: whole jobs on running text, and a job of a task that starts from one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.sample.shipped import shipped
from tokenizers import Tokenizer
from transformers import (
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from alambique.models.networks import new, save
from alambique.registry import versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Version
from alambique.spec.errors import BadSpec
from alambique.spec.outputs import Output
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import State
from alambique.tasks.formats import text
from alambique.workers.queue.driver import run_here
from alambique.workers.scoring.predicting import predict
from alambique.workers.stages.artifacts import fetch_model

Learnt = Callable[[str, Sequence[str], int], Tokenizer]

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = ("data.limit={train: 60, dev: 12, test: 12}", "train.epochs=2")
NER = """
name: ner
task: named-entities
data: {name: sample-entities, limit: {train: 60, dev: 20, test: 20}}
teacher:
  model: sample-encoder
  train: {epochs: 2, learning_rate: 2.0e-3, batch_size: 16, max_length: 48, stride: 16}
  max_length: 48
  stride: 16
  gate: off
student: {start: "registry:pico-general@1", layers: 2}
train: {epochs: 1, learning_rate: 2.0e-3, batch_size: 16, max_length: 48, stride: 16}
"""
OTHER = """
name: other
task: general
data: {folder}/data
teacher: {{model: {folder}/teacher, max_length: 64, stride: 16}}
student: {{start: teacher, layers: 2, width: 24, heads: 3}}
objective: [{{kind: hidden}}, {{kind: attention, heads: mean}}, {{kind: relations, heads: 8}}]
train: {{epochs: 2, learning_rate: 3.0e-3, batch_size: 8, max_length: 64, stride: 16}}
"""
HEADS: dict[str, tuple[Any, set[str]]] = {
    "tags": (AutoModelForTokenClassification, {"classifier.bias", "classifier.weight"}),
    "spans": (AutoModelForQuestionAnswering, {"qa_outputs.bias", "qa_outputs.weight"}),
    "classes": (AutoModelForSequenceClassification, {"classifier.bias", "classifier.weight"}),
}
"""The networks of plain transformers for each kind of task, and their heads in BERT and ALBERT."""


@dataclass(frozen=True)
class Home:
    """Where jobs are run, and their versions are found."""

    settings: Settings
    database: Database

    def run(self, job: str, *overrides: str) -> JobRow:
        row = run_here(
            self.settings, self.database, read_job(job, overrides), posted=lambda _: None
        )
        assert row.state is State.SUCCEEDED, row.message
        return row

    def version(self, name: str) -> tuple[Version, Path]:
        with self.database.read() as session:
            found = versions.find(session, "default", name, "1")
        return found, fetch_model(self.settings, found)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """With the student of the small recipe."""
    torch.set_num_threads(1)
    settings = Settings(home=tmp_path_factory.mktemp("home"), lease=30, heartbeat=10)
    database = Database(settings.database)
    database.upgrade()
    found = Home(settings, database)
    found.run((RECIPES / "pico-general.yaml").read_text(), *SMALL)
    yield found
    database.dispose()


def body_of(folder: Path, prefix: str) -> dict[str, torch.Tensor]:
    """The weights in a folder whose names begin so, without that."""
    weights = load_file(folder / "model.safetensors")
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}


def test_a_student_is_registered_with_its_likeness_and_its_lineage(home: Home) -> None:
    found, _ = home.version("pico-general")
    assert (found.task, found.role, list(found.labels)) == ("general", "student", [])
    scores = {metric.name: metric.value for metric in found.metrics}
    assert 0 < scores["cka"] < 1
    assert scores["objective"] > 0
    assert {"latency_ms", "inferences_per_second"} < scores.keys()
    teacher, _ = home.version("pico-general-teacher")
    edges = {edge.relation: edge for edge in found.lineage}
    assert edges["teacher"].parent == teacher.id
    assert {metric.name: metric.value for metric in teacher.metrics}["cka"] == 1


def test_plain_transformers_loads_it_whole(home: Home) -> None:
    _, folder = home.version("pico-general")
    model, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (2, 64)


def test_it_predicts_nothing(home: Home) -> None:
    _, folder = home.version("pico-general")
    with pytest.raises(BadSpec, match="no head"):
        predict(folder, texts=["Ana nació en Lugo."])


def test_a_student_of_a_task_starts_from_it(home: Home) -> None:
    row = home.run(NER)
    general, folder = home.version("pico-general")
    student, _ = home.version("ner")
    assert student.parameters > general.parameters  # by its head
    assert [edge.parent for edge in student.lineage if edge.relation == "start"] == [general.id]
    starts = home.settings.home.glob("stages/default/distil-*/start")
    (start,) = [path for path in starts if body_of(path, "classifier.")]
    begun = body_of(start, "model.")
    given = body_of(folder, "")
    assert begun.keys() == given.keys()
    assert all(torch.equal(begun[name], given[name]) for name in given)
    assert row.result is not None
    assert row.result["primary"] == "f1"


def put_model(kind: str, tokenizer: Tokenizer, folder: Path) -> None:
    """A network of another architecture, with a head of some task, as a teacher may have one."""
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"pad_token": "<pad>"}')
    own = {"embedding_size": 16} if kind == "albert" else {}
    config = {
        "model_type": kind,
        "vocab_size": tokenizer.get_vocab_size(),
        "num_hidden_layers": 3,
        "hidden_size": 32,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "initializer_range": 0.15,
        **own,
    }
    save(new(config, Output.CLASSES, ("no", "yes"), seed=1), folder, folder)


@pytest.mark.parametrize(("kind", "pieces"), [("bert", "wordpiece"), ("albert", "unigram")])
def test_other_architectures(tmp_path: Path, learnt: Learnt, kind: str, pieces: str) -> None:
    """On text of one's own: the student is nearer to its teacher, and loads with every head."""
    torch.set_num_threads(1)
    (tmp_path / "data").mkdir()
    some = [one.text for one in shipped("text", "dev")]
    for split, (start, end) in {"train": (0, 60), "dev": (60, 75), "test": (75, 90)}.items():
        text.write(tmp_path / "data" / f"{split}.txt", some[start:end])
    put_model(kind, learnt(pieces, some, 400), tmp_path / "teacher")
    settings = Settings(home=tmp_path / "home", lease=30, heartbeat=10)
    database = Database(settings.database)
    database.upgrade()
    home = Home(settings, database)
    row = home.run(OTHER.format(folder=tmp_path))
    assert row.result is not None
    _, student = row.result["rows"]
    assert student["metrics"]["cka"] > 0.3
    _, folder = home.version("other")
    model, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    assert sum(weight.numel() for weight in model.parameters()) == student["parameters"]
    for auto, head in HEADS.values():
        _, report = auto.from_pretrained(folder, output_loading_info=True)
        assert set(report["missing_keys"]) == head
        assert all("pooler" in name for name in report["unexpected_keys"])
    database.dispose()
