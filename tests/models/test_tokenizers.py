"""A tokenizer of one's own: Spanish is kept, and the same texts give the same file."""

import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from alambique.models.tokenizers import SPECIAL, train_tokenizer

TEXTS = [
    f"El año {year} llovió en Córdoba, ¿verdad? Ana vivía en Ávila." for year in range(1900, 2000)
]
PROGRAM = """
import sys
from pathlib import Path
from alambique.models.tokenizers import train_tokenizer
texts = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
train_tokenizer(texts, 150, Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    train_tokenizer(TEXTS, 150, folder)
    return folder


def test_special_tokens_come_first(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert [tokenizer.token_to_id(token) for token in SPECIAL] == [0, 1, 2, 3, 4]


def test_case_and_accents_are_kept(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoded = tokenizer.encode("Ana vivía en Ávila.", "¿Córdoba?")
    text = "".join(encoded.tokens).replace("##", "")
    assert text == "[CLS]AnavivíaenÁvila.[SEP]¿Córdoba?[SEP]"
    second = encoded.tokens.index("[SEP]") + 1
    assert encoded.type_ids == [0] * second + [1] * (len(encoded.ids) - second)


def test_it_has_no_more_pieces_than_asked_for(tmp_path: Path) -> None:
    assert train_tokenizer(TEXTS, 60, tmp_path / "small") == 60
    pieces = train_tokenizer(["sol sol"], 1000, tmp_path / "few")
    assert pieces < 20


def test_transformers_reads_it_the_same(folder: Path) -> None:
    theirs = AutoTokenizer.from_pretrained(folder)
    ours = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pair = ("¿Dónde vivía Ana?", "En Ávila.")
    encoded = ours.encode(*pair)
    assert theirs(*pair)["input_ids"] == encoded.ids
    assert theirs(*pair)["token_type_ids"] == encoded.type_ids
    assert theirs.pad_token_id == 0
    assert theirs.model_max_length == 512


def test_the_same_texts_give_the_same_file(folder: Path, tmp_path: Path) -> None:
    """In this process and in another one, whose hash tables have other seeds."""
    expected = (folder / "tokenizer.json").read_bytes()
    train_tokenizer(iter(TEXTS), 150, tmp_path / "again")
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == expected
    (tmp_path / "texts").write_text("\n".join(TEXTS), encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "texts"), str(tmp_path / "apart")]
    subprocess.run(command, check=True)
    assert (tmp_path / "apart" / "tokenizer.json").read_bytes() == expected
