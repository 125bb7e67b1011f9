"""Teachers and students of different vocabularies: every task, whole jobs, tiny networks."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch.nn import Module
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from alambique.models.networks import new, save
from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.runtime.about import ABOUT
from alambique.runtime.spans import Span
from alambique.spec.data import Data
from alambique.spec.outputs import Output
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import State
from alambique.tasks.all import ALL, find
from alambique.tasks.data import load
from alambique.tasks.examples import Labelled, Rated
from alambique.tasks.formats import conll, conllu, squad
from alambique.workers.queue.driver import run_here
from alambique.workers.scoring.loaded_model import LoadedModel
from alambique.workers.stages.artifacts import fetch_model

Learnt = Callable[[str, Sequence[str], int], Tokenizer]

EXAMPLES = 16
VOCABULARY = 1500
KINDS = {"bert": "wordpiece", "roberta": "bytebpe", "albert": "unigram", "modernbert": "wordpiece"}
"""The tokenizer of each architecture."""
SIZES = {
    "num_hidden_layers": 3,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    # as large for this width as the usual 0.02 is for the usual ones: it learns in a few steps
    "initializer_range": 0.15,
}
LAYER_TYPES = ["full_attention", "sliding_attention", "full_attention"]
OWN: Mapping[str, Mapping[str, Any]] = {
    "bert": {},
    "roberta": {"max_position_embeddings": 129},  # they begin after the id of the padding
    "albert": {"embedding_size": 16},
    "modernbert": {"layer_types": LAYER_TYPES, "local_attention": 16}
    | dict.fromkeys(("bos_token_id", "cls_token_id"), 2)
    | dict.fromkeys(("eos_token_id", "sep_token_id"), 3),
}
PLAIN: Mapping[Output, Any] = {
    Output.SPAN: AutoModelForQuestionAnswering,
    Output.TAGS: AutoModelForTokenClassification,
    Output.CLASSES: AutoModelForSequenceClassification,
    Output.SCORE: AutoModelForSequenceClassification,
}
JOB = """
name: tiny
task: {task}
data: {folder}/data
teacher:
  model: {folder}/{teacher}
  train: {{epochs: 12, learning_rate: 3.0e-3, batch_size: 4, max_length: 96, stride: 32,
           schedule: constant, dropout: 0}}
  max_length: 96
  stride: 32
  gate: off
student: {{start: {folder}/{student}, layers: 2, keep: [1, 2]}}
train: {{epochs: {epochs}, learning_rate: 3.0e-3, batch_size: 4, max_length: 80, stride: 24,
         schedule: constant, dropout: 0}}
"""


@dataclass(frozen=True)
class Pair:
    """A job: its data, and the architectures of its teacher and of what its student starts from."""

    data: str
    teacher: str
    student: str
    epochs: int
    """Of the student."""


PAIRS = {
    "question-answering": Pair("sample-questions", "bert", "roberta", 8),
    "named-entities": Pair("sample-entities", "modernbert", "albert", 12),
    "part-of-speech": Pair("sample-speech", "albert", "modernbert", 8),
    "inference": Pair("sample-inferences", "roberta", "albert", 16),
    "paraphrase": Pair("sample-paraphrases", "roberta", "bert", 12),
    "document-classification": Pair("sample-documents", "albert", "roberta", 12),
    "similarity": Pair("sample-similarities", "roberta", "modernbert", 12),
}
"""By task."""


@dataclass(frozen=True)
class Done:
    """A job that is over, and what it left."""

    task: str
    row: JobRow
    messages: list[str]
    losses: list[float]
    """Of the student: of its first step, and of the last one of each epoch."""
    training: list[Any]
    teacher: Path
    student: Path


@pytest.fixture(scope="module", params=PAIRS)
def done(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, learnt: Learnt
) -> Iterator[Done]:
    """The job of each task."""
    torch.set_num_threads(1)
    task, pair, folder = request.param, PAIRS[request.param], tmp_path_factory.mktemp("pair")
    training = put_data(task, pair.data, folder / "data")
    texts = [text for example in training for text in find(task).texts(example)]
    for name in (pair.teacher, pair.student):
        put_model(name, learnt(KINDS[name], texts, VOCABULARY), folder / name)
    settings = Settings(home=folder / "home", lease=30, heartbeat=10)
    database = Database(settings.database)
    database.upgrade()
    job = read_job(JOB.format(task=task, folder=folder, **vars(pair)))
    row = run_here(settings, database, job, posted=lambda _: None)
    assert row.state is State.SUCCEEDED, row.message
    with database.read() as session:
        events = [one.content for one in jobs.events(session, row.id) if one.kind == "progress"]
        found = [versions.find(session, "default", name, "1") for name in ("tiny-teacher", "tiny")]
    teacher, student = (fetch_model(settings, version) for version in found)
    losses = [event["loss"] for event in events if event["stage"] == "distil"]
    messages = [event["message"] for event in events]
    yield Done(task, row, messages, losses, training, teacher, student)
    database.dispose()


def put_data(task: str, name: str, folder: Path) -> list[Any]:
    """A folder of data, and its training examples; some of them validate, so that to know them by
    heart is better than guessing."""
    limit: Any = {"train": EXAMPLES, "test": 8}
    found = load(Data(name=name, limit=limit), task=find(task), root=None)
    folder.mkdir()
    write(task, folder / "train", found.train)
    write(task, folder / "dev", found.train[: EXAMPLES // 2])
    write(task, folder / "test", found.test)
    return found.train


def write(task: str, path: Path, examples: list[Any]) -> None:
    match task:
        case "question-answering":
            squad.write(path.with_suffix(".json"), examples)
        case "named-entities":
            conll.write(path.with_suffix(".conll"), examples)
        case "part-of-speech":
            conllu.write(path.with_suffix(".conllu"), examples)
        case _:
            lines = [json.dumps(cells_of(task, example)) + "\n" for example in examples]
            path.with_suffix(".jsonl").write_text("".join(lines))


def cells_of(task: str, example: Labelled | Rated) -> dict[str, Any]:
    texts = dict(zip(find(task).inputs, example.texts, strict=True))
    return texts | (
        {"label": example.label} if isinstance(example, Labelled) else {"score": example.score}
    )


def put_model(architecture: str, tokenizer: Tokenizer, folder: Path) -> None:
    """A folder with a network as it comes from pre-training: no head of the task's."""
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"pad_token": "<pad>"}')
    named = {"model_type": architecture, "vocab_size": tokenizer.get_vocab_size()}
    config = {**SIZES, **OWN[architecture], **named}
    save(new(config, Output.TAGS, ("no", "yes"), seed=1), folder, folder)


def test_every_task_architecture_and_ordered_pair_of_kinds_is_here() -> None:
    assert set(PAIRS) == {task.name for task in ALL} - {"general"}  # which has one vocabulary
    assert {pair.teacher for pair in PAIRS.values()} == set(KINDS)
    assert {pair.student for pair in PAIRS.values()} == set(KINDS)
    kinds = {(KINDS[pair.teacher], KINDS[pair.student]) for pair in PAIRS.values()}
    names = set(KINDS.values())
    assert kinds == {(a, b) for a in names for b in names if a != b}


def test_the_teacher_answers_every_example_once(done: Done) -> None:
    assert f"{EXAMPLES} of {EXAMPLES} outputs computed" in done.messages
    assert done.row.result is not None
    rows = {row["name"]: row for row in done.row.result["rows"]}
    assert {name: row["layers"] for name, row in rows.items()} == {"teacher": 3, "distilled": 2}


def test_the_student_comes_close_to_the_teacher(done: Done) -> None:
    """Told another example's outputs, or another word's, it would say those of that one."""
    assert done.losses[-1] < 0.8 * done.losses[0]
    said, theirs = answered(done, done.student), answered(done, done.teacher)
    usual, _ = Counter(theirs).most_common(1)[0]
    telling = [n for n, answer in enumerate(theirs) if answer != usual]
    alike = [said[n] == theirs[n] for n in telling]
    by_chance = [said[n] == theirs[n - 1] for n in telling]
    assert mean(alike) > mean(by_chance) + 0.2


def answered(done: Done, folder: Path) -> list[str]:
    """What a network says of the training examples: an answer, a class, a whole score, or a tag for
    each word."""
    about, task = json.loads((folder / ABOUT).read_text()), find(done.task)
    windows = {name: about[name] for name in ("max_length", "stride")}
    examined = LoadedModel.of(task, folder, tuple(about["labels"]), **windows)
    windows_of = examined.windows(done.training)
    logits = examined.predict_logits(windows_of)
    found = examined.predictions(done.training, windows_of, logits)
    said: list[str] = []
    for number in range(len(done.training)):
        match found[number]:
            case Span(text=text):
                said.append(text)
            case tuple(tags):
                said += tags
            case float(score):
                said.append(f"{score:.0f}")
            case label:
                said.append(label)
    return said


def test_plain_transformers_applies_the_student_s_own_layers(done: Done) -> None:
    model, report = PLAIN[find(done.task).output].from_pretrained(
        done.student, output_loading_info=True
    )
    assert not any(report.values()), report
    applied: list[str] = []
    for name, module in layers_of(model, PAIRS[done.task].student):
        module.register_forward_hook(lambda *_, name=name: applied.append(name))
    with torch.inference_mode():
        model(input_ids=torch.tensor([[2, 5, 6, 3]]))
    match PAIRS[done.task].student:
        case "albert":
            assert applied == ["one", "one"]
        case "modernbert":
            assert applied == LAYER_TYPES[1:]
        case _:
            assert applied == ["0", "1"]


def layers_of(model: Any, architecture: str) -> Iterator[tuple[str, Module]]:
    """The layers that the network has, called by what tells them apart."""
    body = getattr(model, model.base_model_prefix)
    match architecture:
        case "albert":
            (group,) = body.encoder.albert_layer_groups
            yield "one", group
        case "modernbert":
            yield from ((layer.attention_type, layer) for layer in body.layers)
        case _:
            yield from ((str(number), layer) for number, layer in enumerate(body.encoder.layer))
