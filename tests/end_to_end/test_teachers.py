"""A whole job of two teachers of different vocabularies, and of texts that nobody has labelled."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from alambique.models.networks import new, save
from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Version
from alambique.spec.data import Data
from alambique.spec.outputs import Output
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import State
from alambique.tasks.all import find
from alambique.tasks.data import load
from alambique.tasks.formats import conllu
from alambique.workers.queue.driver import run_here

Learnt = Callable[[str, Sequence[str], int], Tokenizer]
Run = Callable[..., JobRow]

KINDS = {"bert": "wordpiece", "roberta": "bytebpe", "modernbert": "unigram"}
"""The networks, each with the kind of its tokenizer; the last is what the student starts from."""
SIZES = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 100,
    "pad_token_id": 0,
    "initializer_range": 0.15,
    "layer_types": ["full_attention", "full_attention"],
    **dict.fromkeys(("bos_token_id", "cls_token_id"), 2),
    **dict.fromkeys(("eos_token_id", "sep_token_id"), 3),
}
JOB = """
name: both
task: part-of-speech
data: {name: FOLDER/data, unlabelled: FOLDER/more.txt}
teacher:
  - model: FOLDER/bert
    train: &train {epochs: 8, learning_rate: 3.0e-3, batch_size: 4, max_length: 96, stride: 32,
                   schedule: constant, dropout: 0}
    max_length: 96
    stride: 32
    weight: 2
    gate: off
  - model: FOLDER/roberta
    grid: {learning_rate: [3.0e-3, 1.0]}
    train: *train
    max_length: 64
    stride: 16
    gate: off
student: {start: FOLDER/modernbert, layers: 1}
objective: [{kind: logits}, {kind: gold, weight: 0.2}]
train: {epochs: 3, learning_rate: 3.0e-3, batch_size: 4, max_length: 80, stride: 24}
compare: [gold-only]
"""
TRAINING, TEXTS = 16, 5
RECIPE = Path(__file__).parents[2] / "recipes" / "teachers.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, learnt: Learnt) -> Path:
    """Networks of three vocabularies, sentences to know by heart, and texts beside them."""
    torch.set_num_threads(1)
    folder, task = tmp_path_factory.mktemp("both"), find("part-of-speech")
    limit: Any = {"train": TRAINING, "dev": TEXTS, "test": 8}
    found = load(Data(name="sample-speech", limit=limit), task=task, root=None)
    (folder / "data").mkdir()
    splits = {"train": found.train, "dev": found.train[: TRAINING // 2], "test": found.test}
    for split, examples in splits.items():
        conllu.write(folder / "data" / f"{split}.conllu", examples)
    lines = [" ".join(example.words) for example in (*found.dev, found.test[0])]
    (folder / "more.txt").write_text("\n\n".join(lines) + "\n")
    words = [word for example in found.train for word in example.words]
    for name, kind in KINDS.items():
        (folder / name).mkdir()
        tokenizer = learnt(kind, words, 600)
        tokenizer.save(str(folder / name / "tokenizer.json"))
        (folder / name / "tokenizer_config.json").write_text('{"pad_token": "<pad>"}')
        config = SIZES | {"model_type": name, "vocab_size": tokenizer.get_vocab_size()}
        save(new(config, Output.TAGS, ("no", "yes"), seed=1), folder / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[Database]:
    database = Database(Settings(home=folder / "home").database)
    database.upgrade()
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def run(folder: Path, database: Database) -> Run:
    """Carries the job, changed by overrides, to its end."""

    def done(*overrides: str, text: str = JOB) -> JobRow:
        settings = Settings(home=folder / "home", lease=30, heartbeat=10)
        job = read_job(text.replace("FOLDER", str(folder)), overrides)
        row = run_here(settings, database, job, posted=lambda _: None)
        assert row.state is State.SUCCEEDED, row.message
        return row

    return done


@pytest.fixture(scope="module")
def first(run: Run) -> JobRow:
    return run()


def told(database: Database, row: JobRow) -> list[str]:
    with database.read() as session:
        events = [e.content for e in jobs.events(session, row.id) if e.kind == "progress"]
    return [event["message"] for event in events]


def result_of(row: JobRow) -> dict[str, Any]:
    assert row.result is not None
    return row.result


def version(database: Database, name: str) -> Version:
    with database.read() as session:
        return versions.find(session, "default", name, "1")


def test_each_teacher_answers_every_text_once(database: Database, first: JobRow) -> None:
    wanted = TRAINING + TEXTS  # the text of the test split is left out
    messages = told(database, first)
    for name in ("teacher", "teacher-2"):
        assert f"{name}: {wanted} of {wanted} outputs computed" in messages
    assert result_of(first)["outputs"] == {"examples": 2 * wanted, "computed": 2 * wanted}
    with database.read() as session:
        lines = [line for log in jobs.logs(session, first.id) for line in log.content["lines"]]
    assert any(line.startswith("warning: 1 of 6 ") for line in lines)
    assert f"{TRAINING} train, 8 dev, 8 test, {TEXTS} unlabelled examples" in messages


def test_all_networks_are_measured_and_registered(database: Database, first: JobRow) -> None:
    names = ["teacher", "teacher-2", "gold-only", "distilled"]
    found = result_of(first)
    assert [row["name"] for row in found["rows"]] == names
    made = ["both-teacher@1", "both-teacher-2@1", "both-gold-only@1", "both@1"]
    assert [row["version"] for row in found["rows"]] == made
    assert [(run["teacher"], run["version"]) for run in found["candidates"]] == [
        ("teacher-2", "both-teacher-2@1"),
        ("teacher-2", "both-teacher-2-candidate-2@1"),
    ]
    taught = [edge for edge in version(database, "both").lineage if edge.relation == "teacher"]
    parents = {version(database, name).id for name in ("both-teacher", "both-teacher-2")}
    assert {edge.parent for edge in taught} == parents
    data = {name: _data(database, name) for name in ("both", "both-gold-only", "both-teacher")}
    assert "unlabelled" in data.pop("both")
    assert not any("unlabelled" in hashes for hashes in data.values())


def _data(database: Database, name: str) -> Any:
    (edge,) = [edge for edge in version(database, name).lineage if edge.relation == "data"]
    return edge.hashes


def test_another_student_of_theirs_asks_them_nothing(
    database: Database, run: Run, first: JobRow
) -> None:
    again = run("name=best", "objective=[{kind: logits, combine: best}]", "compare=[]")
    assert result_of(again)["outputs"] == {"examples": 2 * (TRAINING + TEXTS), "computed": 0}
    assert not any(
        "teacher" in message and ": step" in message for message in told(database, again)
    )
    ours, theirs = (result_of(row)["rows"][:2] for row in (again, first))
    assert [row["metrics"] for row in ours] == [row["metrics"] for row in theirs]


def test_the_recipe_runs_cut_down(database: Database, run: Run, folder: Path) -> None:
    train = "{epochs: 8, learning_rate: 3.0e-3, batch_size: 4, max_length: 96, stride: 32, "
    train += "schedule: constant, dropout: 0}"
    windows = "max_length: 96, stride: 32, gate: off"
    said = [f"{{model: {folder}/{name}, train: {train}, {windows}}}" for name in list(KINDS)[:2]]
    row = run(
        f"data={folder}/data",
        f"teacher=[{', '.join(said)}]",
        f"student={{start: {folder}/modernbert, layers: 1}}",
        "train={epochs: 2, learning_rate: 3.0e-3, batch_size: 4, max_length: 80, stride: 24}",
        "resources={}",
        text=RECIPE.read_text(),
    )
    names = ["teacher", "teacher-2", "gold-only", "same-start", "distilled"]
    assert [one["name"] for one in result_of(row)["rows"]] == names
    assert result_of(row)["outputs"]["examples"] == 2 * TRAINING
    kept = result_of(row)["rows"][-1]["retention"]
    scores = [one["metrics"]["accuracy"] for one in result_of(row)["rows"]]
    assert kept == pytest.approx(scores[-1] / max(scores[:2]))


def test_a_teacher_of_several_shares_its_training_with_a_job_of_its_own(
    database: Database, run: Run, first: JobRow, folder: Path
) -> None:
    """What decides a run is what the job says of that teacher, wherever it stands."""
    train = "{epochs: 8, learning_rate: 3.0e-3, batch_size: 4, max_length: 96, stride: 32, "
    train += "schedule: constant, dropout: 0}"
    alone = f"teacher={{model: {folder}/roberta, train: {train}, max_length: 64, stride: 16, "
    alone += "gate: off}"
    row = run("name=alone", alone, "compare=[]", "objective=[{kind: logits}]")
    assert not any(message.startswith("teacher: step") for message in told(database, row))
    assert result_of(row)["outputs"]["computed"] == 0
