"""Running text: a paragraph a line, or a column of a table."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alambique.spec.errors import BadData
from alambique.tasks.examples import Text
from alambique.tasks.formats import parquet
from alambique.tasks.formats.text import read_texts, write

Written = Callable[[str, str | bytes], Path]

paragraphs = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=9).map(str.strip)
)


@settings(max_examples=30)
@given(said=paragraphs)
def test_what_is_written_is_read_back_but_for_empty_lines(
    written: Written, said: list[str]
) -> None:
    path = written("some.txt", "")
    write(path, ["\n", *said])  # what stands first may be a mark, which is no text
    assert [one.text for one in read_texts(path)] == [text for text in said if text]


def test_a_paragraph_is_named_after_its_line(written: Written) -> None:
    path = written("some.txt", "\ufeff Uno.\r\n\n \u00a0\n  Dos, y\u2028tres. \nCuatro")
    assert read_texts(path) == [
        Text("some.txt:1", "Uno."),
        Text("some.txt:4", "Dos, y\u2028tres."),
        Text("some.txt:5", "Cuatro"),
    ]


def test_tables_have_a_column_of_texts(written: Written) -> None:
    rows = [{"text": " Uno.\nDos. ", "id": 1}, {"text": " ", "id": 2}, {"text": "Tres.", "id": 3}]
    lines = written("some.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    table = written("some.parquet", "")
    parquet.write(table, ("text",), [{"text": str(row["text"])} for row in rows])
    for path in (lines, table):
        assert read_texts(path) == [
            Text(f"{path.name}:1", "Uno.\nDos."),
            Text(f"{path.name}:3", "Tres."),
        ]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("some.txt", "Uno.\nCaf\u00e9".encode("latin-1"), r"some\.txt:2: byte 0xe9"),
        ("some.jsonl", '{"text": "a"}\n{"text": 3}', r"some\.jsonl:2: .*'text' .*\bint\b"),
        ("some.jsonl", '{"texto": "a"}', r"some\.jsonl:1: .*'text', .*'texto'"),
        ("some.csv", "text\nuno", r"called \*\.csv: take one of \.txt, \.jsonl, \.parquet"),
    ],
)
def test_what_is_no_text_is_named(
    written: Written, name: str, content: str | bytes, sentence: str
) -> None:
    with pytest.raises(BadData, match=sentence):
        read_texts(written(name, content))
