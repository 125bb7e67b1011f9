from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadData
from alambique.tasks.examples import Sentence
from alambique.tasks.formats import conll


def _file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "train.conll"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "En SP O\nJaén NP B-LOC\n\nSí AQ O\n\n",
        "En O\nJaén B-LOC\n\nSí O",
        "\ufeffEn\tO\r\nJaén\tB-LOC\r\n\r\nSí\tO\r\n",
    ],
)
def test_two_or_three_columns_make_sentences(tmp_path: Path, content: str) -> None:
    first, second = conll.read(_file(tmp_path, content))
    assert (first.words, first.tags) == (("En", "Jaén"), ("O", "B-LOC"))
    assert (second.words, second.tags) == (("Sí",), ("O",))
    assert (first.id, second.id) == ("train.conll:1", "train.conll:4")


def test_empty_lines_in_a_row_end_one_sentence(tmp_path: Path) -> None:
    found = conll.read(_file(tmp_path, "\n\nEn O\n \n\n\nJaén B-LOC\n"))
    assert [sentence.id for sentence in found] == ["train.conll:3", "train.conll:7"]
    assert conll.read(_file(tmp_path, "\n\n")) == []


def test_a_no_break_space_is_a_word(tmp_path: Path) -> None:
    (sentence,) = conll.read(_file(tmp_path, "\u00a0 O\n10\u00a0000 O\n"))
    assert sentence.words == ("\u00a0", "10\u00a0000")


words = st.text(st.characters(codec="utf-8", exclude_characters=" \t\n\r\ufeff"), min_size=1)
tags = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC"])


@given(st.lists(st.lists(st.tuples(words, tags), min_size=1, max_size=5), max_size=4))
def test_the_writer_gives_the_file_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[tuple[str, str]]]
) -> None:
    path = tmp_path_factory.mktemp("conll") / "train.conll"
    sentences = [Sentence("", *map(tuple, zip(*row, strict=True))) for row in rows]
    conll.write(path, sentences)
    content, read = path.read_bytes(), conll.read(path)
    assert [(s.words, s.tags) for s in read] == [(s.words, s.tags) for s in sentences]
    conll.write(path, read)
    assert path.read_bytes() == content
    assert conll.read(path) == read


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"Ja\xc3\xa9n B_LOC", "unknown tag 'B_LOC': expected O, B-TYPE or I-TYPE, as in B-PER"),
        (b"Ja\xc3\xa9n NP LOC", "unknown tag 'LOC'"),
        (b"Ja\xc3\xa9n NP B-", "unknown tag 'B-'"),
        (b"O", "1 columns in 'O': expected a word and its tag"),
        (b"1 Ja\xc3\xa9n NP O", "4 columns"),
        (b"Ja\xe9n O", "byte 0xe9 is not UTF-8.*iconv -f ISO-8859-1"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    with pytest.raises(BadData, match=rf"train\.conll:3: {message}"):
        conll.read(_file(tmp_path, b"En O\n\n" + line + b"\n"))
