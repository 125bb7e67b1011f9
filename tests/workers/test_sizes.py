"""What a student starts from, in every way that a job can say it; and that a plan says the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from alambique.models.configs import Config, read_config, sizes_of
from alambique.models.networks import Network, load, new, save
from alambique.models.tokenizers import train_tokenizer
from alambique.spec.errors import BadSpec
from alambique.spec.job import Job, Student
from alambique.spec.outputs import Output
from alambique.tasks.data import Splits
from alambique.tasks.plan import plan
from alambique.workers.training.initial_weights import write_student

LABELS = ("O", "B-PER")
BERT = {
    "model_type": "bert",
    "vocab_size": 100,
    "hidden_size": 16,
    "num_hidden_layers": 6,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
ALBERT = BERT | {"model_type": "albert", "embedding_size": 8}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    train_tokenizer(["El niño vio un pingüino."], 100, tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def started(said: dict[str, Any], config: Config, tokenizer: Path, into: Path) -> Network:
    """The student that a job of that teacher begins with."""
    teacher = into / "teacher"
    save(new(config, Output.TAGS, LABELS, seed=1), teacher, tokenizer)
    write_student(Student(**said), teacher, Output.TAGS, LABELS, into / "start", seed=2)
    return load(into / "start", Output.TAGS, LABELS)


def planned(said: dict[str, Any], config: Config) -> int:
    """The parameters that the plan of such a job counts."""
    job = Job.model_validate(
        {
            "task": "named-entities",
            "data": "conll2002",
            "teacher": {"model": "teacher"},
            "student": said,
        }
    )
    found = plan(job, Splits([], [], [], LABELS), config_of=lambda source: config)
    return found.student.parameters


SAID = [
    (BERT, {"layers": 2}, (2, 16, 2, 24, 16)),
    (BERT, {"layers": 2, "width": 8}, (2, 8, 2, 24, 8)),
    (BERT, {"layers": 3, "width": 8, "heads": 1, "ffn": 9}, (3, 8, 1, 9, 8)),
    (BERT, {"start": "random", "layers": 7, "width": 24, "heads": 3}, (7, 24, 3, 24, 24)),
    (ALBERT, {"layers": 3, "keep": "first"}, (3, 16, 2, 24, 8)),
    (ALBERT, {"layers": 3, "width": 8, "embedding": 4}, (3, 8, 2, 24, 4)),
    (ALBERT, {"start": "random", "layers": 4, "embedding": 32}, (4, 16, 2, 24, 32)),
]


@pytest.mark.parametrize(("config", "said", "sizes"), SAID)
def test_a_student_has_the_sizes_that_the_job_says_and_the_plan_counts(
    config: Config, said: dict[str, Any], sizes: tuple[int, ...], tokenizer: Path, tmp_path: Path
) -> None:
    network = started(said, config, tokenizer, tmp_path)
    found = sizes_of(read_config(tmp_path / "start"))
    assert (found.layers, found.width, found.heads, found.ffn, found.embedding) == sizes
    assert planned(said, config) == sum(weight.numel() for weight in network.parameters())


def weights(folder: Path) -> dict[str, Tensor]:
    return dict(load(folder, Output.TAGS, LABELS).inner.state_dict())


def test_a_narrow_student_has_slices_of_the_layers_kept(tokenizer: Path, tmp_path: Path) -> None:
    started({"layers": 2, "keep": "last", "width": 8, "ffn": 5}, BERT, tokenizer, tmp_path)
    ours, theirs = weights(tmp_path / "start"), weights(tmp_path / "teacher")
    for name, rows in (("intermediate", 5), ("attention.output", 8)):
        bias_W = ours[f"bert.encoder.layer.0.{name}.dense.bias"]
        assert torch.equal(bias_W, theirs[f"bert.encoder.layer.4.{name}.dense.bias"][:rows])
    words, of = (one["bert.embeddings.word_embeddings.weight"] for one in (ours, theirs))
    assert torch.equal(words, of[:, :8])


def test_layers_of_an_albert_are_the_shared_one(tokenizer: Path, tmp_path: Path) -> None:
    started({"layers": 2}, ALBERT, tokenizer, tmp_path)
    ours, theirs = weights(tmp_path / "start"), weights(tmp_path / "teacher")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"layers": 2, "width": 32}, "width 32 cannot be sliced from a model of width 16"),
        ({"layers": 2, "embedding": 8}, "the embeddings of a bert are as wide as its layers"),
        ({"start": "random", "layers": 2, "embedding": 8}, "the embeddings of a bert are as wide"),
        ({"layers": 7}, "a student of 7 layers cannot be cut from a model of 6"),
    ],
)
def test_a_student_that_cannot_be_is_refused_by_the_plan_too(
    said: dict[str, Any], why: str, tokenizer: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadSpec, match=why):
        planned(said, BERT)
    with pytest.raises(BadSpec, match=why):
        started(said, BERT, tokenizer, tmp_path)
