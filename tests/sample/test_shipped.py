"""The sample data that the package ships: always the same, and what its generator makes."""

import gzip
import json
from pathlib import Path

import pytest
from benchmarks.sample import questions
from benchmarks.sample.sets import SETS
from tests.sample.shipped import SPLITS, shipped

from alambique.spec.errors import BadData
from alambique.tasks.catalogue import DATASETS
from alambique.tasks.datasets import Shipped
from alambique.tasks.examples import (
    Answer,
    Example,
    Labelled,
    Question,
    Sentence,
    Text,
    content_hash,
)
from alambique.tasks.samples import FOLDER, read_sample, sample_file, write_sample

HASHES = json.loads(Path(__file__).with_name("content_hashes.json").read_text())
of_each = pytest.mark.parametrize("name", SETS)

EXAMPLES: list[Example] = [
    Question("a", "¿Quién?", "Ana, en Lugo.", (Answer("Ana", 0), Answer("Ana,", 0))),
    Question("b", "¿Y?", "Nadie."),
    Sentence("c", ("Ana", "\u2028"), ("B-PER", "O")),
    Labelled("d", ("uno", "dos\n"), "0"),
    Text("e", "Ana nació\tallí."),
]


@of_each
def test_it_stays_the_same_on_every_machine_and_between_releases(name: str) -> None:
    """A change here is another data set: figures measured on the old one are not of this one."""
    found = {split: content_hash(shipped(name, split)) for split in SPLITS}
    assert found == HASHES[name]


@of_each
def test_the_generator_makes_what_is_shipped(name: str) -> None:
    for split in SPLITS:
        assert tuple(SETS[name](split)) == shipped(name, split)


def test_a_caller_of_a_generator_cannot_change_what_the_next_one_gets() -> None:
    questions.questions("dev").clear()
    assert tuple(questions.questions("dev")) == shipped("questions", "dev")


def test_the_catalogue_names_every_file() -> None:
    named = {
        sample_file(found.source.folder, split)
        for found in DATASETS
        if isinstance(found.source, Shipped)
        for split in found.splits
    }
    assert named == set(FOLDER.rglob("*.jsonl.gz"))
    assert {path.parent.name for path in named} == set(SETS)


def test_the_files_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.gz")) < 1_500_000


def test_examples_of_every_kind_come_back_from_a_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one" / "a.jsonl.gz", tmp_path / "other" / "b.jsonl.gz"
    write_sample(one, EXAMPLES)
    write_sample(other, EXAMPLES)
    assert read_sample(one) == EXAMPLES
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b'{"id": "a", "text": "Ana"}\n', mtime=0)[:-9],
        gzip.compress(b'{"id": "a", "text": "Ana"', mtime=0),
        gzip.compress(b'{"id": "a", "text": \n', mtime=0),
        gzip.compress(b'{"text": "Ana"}\n', mtime=0),
        gzip.compress(b"[1]\n", mtime=0),
        gzip.compress(b'{"id": "a", "text": "\xff"}\n', mtime=0),
        gzip.compress(b'{"id": "a", "words": 3, "tags": 3}\n', mtime=0),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "train.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(BadData):
        read_sample(path)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"train\.jsonl\.gz: .*install the package again"):
        read_sample(tmp_path / "train.jsonl.gz")
