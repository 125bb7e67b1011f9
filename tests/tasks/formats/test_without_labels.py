"""Files read for their texts alone: labels, tags and answers may be absent, empty or anything."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet as arrow

from alambique.spec.errors import BadData
from alambique.tasks.examples import Labelled, Question, Sentence
from alambique.tasks.formats import conll, conllu, parquet, squad, tables
from alambique.tasks.formats.columns import NO_SENTENCE, Columns
from alambique.tasks.formats.conllu import Row, Words
from alambique.tasks.formats.parquet import TokenColumns

Written = Callable[[str, str | bytes], Path]

PAIRS = Columns(("premise", "hypothesis"), "label", names={"0": "entailment"})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "premise\thypothesis\nUno\tDos\n"),
        ("a.tsv", "premise\thypothesis\tlabel\nUno\tDos\t\n"),
        ("a.tsv", "label\tpremise\thypothesis\n7\tUno\tDos\n"),
        ("a.csv", "premise,hypothesis\r\nUno,Dos\r\n"),
        ("a.csv", "premise,hypothesis,label\r\nUno,Dos,NS\r\n"),
        ("a.jsonl", '\n{"premise": "Uno", "hypothesis": "Dos"}\n'),
        ("a.jsonl", '\n{"premise": "Uno", "hypothesis": "Dos", "label": null}\n'),
    ],
)
def test_rows_of_a_table_need_no_label_where_none_is_asked_for(
    written: Written, name: str, content: str
) -> None:
    found = tables.read(written(name, content), PAIRS, labels=False)
    assert found.examples == [Labelled(f"{name}:2", ("Uno", "Dos"), "")]
    with pytest.raises(BadData, match="label"):
        tables.read(written(name, content), PAIRS)


def test_rows_whose_text_is_missing_are_left_out_as_with_labels(written: Written) -> None:
    path = written("a.tsv", f"premise\thypothesis\nUno\t{NO_SENTENCE}\nUno\tDos\n")
    columns = Columns(PAIRS.texts, "label", skipped=frozenset({NO_SENTENCE}))
    found = tables.read(path, columns, labels=False)
    assert ([one.texts for one in found.examples], found.skipped) == ([("Uno", "Dos")], 1)
    with pytest.raises(BadData):
        tables.read(written("b.csv", "text\nUno\n"), PAIRS, labels=False)


@pytest.mark.parametrize("content", ["En\nJaén\n", "En IN\nJaén NP\n", "En IN ?\nJaén NP B-\n"])
def test_words_of_conll(written: Written, content: str) -> None:
    path = written("a.conll", content)
    assert conll.read(path, labels=False) == [Sentence("a.conll:1", ("En", "Jaén"), ())]
    assert conll.parse(path, labels=False).text == content
    with pytest.raises(BadData):
        conll.read(path)


def test_a_line_of_text_is_no_word_of_conll(written: Written) -> None:
    with pytest.raises(BadData, match=r"4 columns in 'Nació en Jaén \.'.* or a word alone"):
        conll.read(written("a.conll", "Nació en Jaén .\n"), labels=False)


@pytest.mark.parametrize("words", Words)
@pytest.mark.parametrize("tag", ["_", "?", "NOUN"])
def test_words_of_a_treebank(written: Written, words: Words, tag: str) -> None:
    path = written("a.conllu", Row("1", "En", upos=tag).text + Row("2", "Jaén").text)
    found = conllu.read(path, words=words, labels=False)
    assert found == [Sentence("a.conllu:1", ("En", "Jaén"), ())]
    with pytest.raises(BadData):
        conllu.read(path, words=words)


@pytest.mark.parametrize(
    "answers", [{}, {"answers": []}, {"answers": [{"text": "Lugo", "answer_start": 3}]}]
)
def test_questions_of_squad(written: Written, answers: dict[str, Any]) -> None:
    row = {"id": "q", "question": "¿Dónde?", **answers}
    paragraph = {"context": "Nació en Jaén.", "qas": [row]}
    path = written("a.json", json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    assert squad.read(path, labels=False) == [Question("q", "¿Dónde?", "Nació en Jaén.")]
    with pytest.raises(BadData):
        squad.read(path)


@pytest.mark.parametrize(
    ("read", "row", "found"),
    [
        (
            partial(tables.read, columns=Columns(("text",), "label")),
            {"text": "Uno"},
            Labelled("a.parquet:1", ("Uno",), ""),
        ),
        (
            partial(parquet.read_sentences, tokens=TokenColumns()),
            {"tokens": ["En", "Jaén"]},
            Sentence("a.parquet:1", ("En", "Jaén"), ()),
        ),
        (
            parquet.read_questions,
            {"id": "q", "question": "¿Dónde?", "context": "Nació en Jaén."},
            Question("q", "¿Dónde?", "Nació en Jaén."),
        ),
    ],
)
def test_rows_of_parquet_need_no_label_where_none_is_asked_for(
    tmp_path: Path, read: Any, row: dict[str, Any], found: object
) -> None:
    path = tmp_path / "a.parquet"
    arrow.write_table(pyarrow.Table.from_pylist([row]), path)
    examples = read(path, labels=False)
    assert list(getattr(examples, "examples", examples)) == [found]
    with pytest.raises(BadData):
        read(path)


def test_a_sentence_of_parquet_has_words(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    none = pyarrow.array([[]], pyarrow.list_(pyarrow.string()))
    arrow.write_table(pyarrow.table({"tokens": none}), path)
    with pytest.raises(BadData, match="row 1: no words in 'tokens'"):
        parquet.read_sentences(path, TokenColumns(), labels=False)
