from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadData
from alambique.tasks.examples import Sentence
from alambique.tasks.formats import conll

Written = Callable[[str, str | bytes], Path]


@pytest.mark.parametrize(
    "content",
    [
        "En SP O\nJaén NP B-LOC\n\nSí AQ O\n\n",
        "En O\nJaén B-LOC\n\nSí O",
        "\ufeffEn\tO\r\nJaén\tB-LOC\r\n\r\nSí\tO\r\n",
    ],
)
def test_two_or_three_columns_make_sentences(written: Written, content: str) -> None:
    first, second = conll.read(written("train.conll", content))
    assert (first.words, first.tags) == (("En", "Jaén"), ("O", "B-LOC"))
    assert (second.words, second.tags) == (("Sí",), ("O",))
    assert (first.id, second.id) == ("train.conll:1", "train.conll:4")


def test_empty_lines_in_a_row_end_one_sentence(written: Written) -> None:
    found = conll.read(written("train.conll", "\n\nEn O\n \n\n\nJaén B-LOC\n"))
    assert [sentence.id for sentence in found] == ["train.conll:3", "train.conll:7"]
    assert conll.read(written("train.conll", "\n\n")) == []


def test_a_no_break_space_is_a_word(written: Written) -> None:
    (sentence,) = conll.read(written("train.conll", "\u00a0 O\n10\u00a0000 O\n"))
    assert sentence.words == ("\u00a0", "10\u00a0000")


words = st.text(st.characters(codec="utf-8", exclude_characters=" \t\n\r\ufeff"), min_size=1)
tags = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC"])


@given(st.lists(st.lists(st.tuples(words, tags), min_size=1, max_size=5), max_size=4))
def test_the_writer_gives_sentences_back(
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


gap, edge, end = (
    st.text(" \t", min_size=1, max_size=2),
    st.text(" \t", max_size=2),
    st.sampled_from(["\n", "\r\n"]),
)


@st.composite
def files(draw: st.DrawFn) -> str:
    """Whatever `parse` accepts: two or three columns, any spaces, any empty lines."""
    lines = [draw(st.sampled_from(["", "\ufeff"]))]
    for _ in range(draw(st.integers(0, 6))):
        columns = [draw(words) for _ in range(draw(st.integers(1, 2)))]
        spaced = "".join(column + draw(gap) for column in columns)
        lines.append(f"{draw(edge)}{spaced}{draw(tags)}{draw(edge)}{draw(end)}")
        lines += draw(st.lists(st.tuples(edge, end).map("".join), max_size=2))
    return "".join(lines).removesuffix(draw(st.sampled_from(["", "\n"])))


@given(files())
def test_what_was_parsed_is_the_file_again(written: Written, content: str) -> None:
    assert conll.parse(written("any.conll", content)).text == content


def test_word_part_of_speech_and_tag_survive(written: Written) -> None:
    path = written("train.conll", "\nEn SP O\nJaén NP B-LOC\n\nSí O\n")
    first, second = conll.parse(path).blocks
    assert [(row.word, row.pos, row.tag) for row in first.rows] == [
        ("En", "SP", "O"),
        ("Jaén", "NP", "B-LOC"),
    ]
    assert (first.line, second.line, second.rows[0].pos) == (2, 5, None)


@pytest.mark.parametrize(("split", "size"), [("train", 8323), ("dev", 1915), ("test", 1517)])
def test_the_real_files_come_back_to_the_byte(shared: Path, split: str, size: int) -> None:
    path = shared / "data" / "conll2002" / f"{split}.conll"
    parsed = conll.parse(path)
    assert parsed.text.encode() == path.read_bytes()
    assert len(parsed.blocks) == size
    assert all(row.pos for block in parsed.blocks for row in block.rows)


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
def test_a_broken_line_is_named(written: Written, line: bytes, message: str) -> None:
    with pytest.raises(BadData, match=rf"train\.conll:3: {message}"):
        conll.read(written("train.conll", b"En O\n\n" + line + b"\n"))
