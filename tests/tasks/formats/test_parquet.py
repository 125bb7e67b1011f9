from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet as arrow

from alambique.spec.errors import BadData
from alambique.tasks.examples import Answer, Labelled, Question, Sentence
from alambique.tasks.formats import parquet, tables
from alambique.tasks.formats.columns import Columns
from alambique.tasks.formats.conllu import HUB_UPOS
from alambique.tasks.formats.parquet import TokenColumns

TAGS = ("O", "B-LOC", "I-LOC")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train.parquet"


def put(path: Path, *rows: dict[str, Any]) -> None:
    arrow.write_table(pyarrow.Table.from_pylist(list(rows)), path)


def test_a_class_is_read_by_its_number(path: Path) -> None:
    put(path, {"premise": "a", "hypothesis": "b", "label": 1, "more": [1]})
    names = {"0": "entailment", "1": "neutral"}
    found = tables.read(path, Columns(("premise", "hypothesis"), "label", names=names))
    assert found.examples == [Labelled("train.parquet:1", ("a", "b"), "neutral")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "a"}, r"train\.parquet: no column 'label', only 'text'"),
        ({"text": None, "label": 0}, "row 1: column 'text' should hold a text, found NoneType"),
        ({"text": "a", "label": -1}, "row 1: unknown label '-1'.* one of '0'"),
        ({"text": "a", "label": 0.5}, r"'label' .*float \(0\.5\)"),
    ],
)
def test_a_row_that_is_no_labelled_text_is_named(
    path: Path, row: dict[str, Any], message: str
) -> None:
    put(path, row)
    with pytest.raises(BadData, match=message):
        tables.read(path, Columns(("text",), "label", names={"0": "A"}))


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_another_program_s_file_comes_back_in_its_cells(path: Path, compression: str) -> None:
    """Not to the byte: compression, groups of rows and other columns are not kept."""
    rows = [{"more": [n], "label": "A", "text": f"año {n}"} for n in range(5)]
    arrow.write_table(
        pyarrow.Table.from_pylist(rows), path, compression=compression, row_group_size=2
    )
    cells = [{"text": row["text"], "label": row["label"]} for row in rows]
    found = [dict(row.cells) for row in parquet.rows(path, ("text", "label"))]
    assert found == cells
    parquet.write(path, ("text", "label"), [{k: str(v) for k, v in row.items()} for row in found])
    assert [row.cells for row in parquet.rows(path, ("text", "label"))] == cells
    content = path.read_bytes()
    parquet.write(path, ("text", "label"), [{k: str(v) for k, v in row.items()} for row in found])
    assert path.read_bytes() == content


def test_tags_by_number_and_by_name(path: Path) -> None:
    put(path, {"id": "s", "tokens": ["En", "Jaén"], "ner_tags": [0, 1], "upos": ["ADP", "PROPN"]})
    assert parquet.read_sentences(path, TokenColumns(names=TAGS)).examples == [
        Sentence("train.parquet:1", ("En", "Jaén"), ("O", "B-LOC"))
    ]
    assert parquet.read_sentences(path, TokenColumns(tags="upos", id="id")).examples == [
        Sentence("s", ("En", "Jaén"), ("ADP", "PROPN"))
    ]


def test_contractions_of_the_hub(path: Path) -> None:
    put(path, {"tokens": ["del", "de", "el"], "upos": [13, 2, 8]})
    (found,) = parquet.read_sentences(path, TokenColumns(tags="upos", names=HUB_UPOS)).examples
    assert found.tags == ("_", "ADP", "DET")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a"], "tags": [0]}, "no column 'ner_tags', only 'tokens', 'tags'"),
        ({"tokens": ["a"], "ner_tags": [0, 1]}, "row 1: 1 words in 'tokens' and 2 tags"),
        ({"tokens": [], "ner_tags": []}, "row 1: 0 words .*expected words, and one tag for each"),
        ({"tokens": ["a"], "ner_tags": [3]}, r"row 1: unknown tag 3 .*\['O', 'B-LOC', 'I-LOC'\]"),
        ({"tokens": ["a"], "ner_tags": [-1]}, "row 1: unknown tag -1"),
        ({"tokens": ["a"], "ner_tags": ["X"]}, "row 1: unknown tag 'X'"),
        ({"tokens": [""], "ner_tags": [0]}, "row 1: '' in 'tokens': expected a word"),
        ({"tokens": "a", "ner_tags": [0]}, "column 'tokens' should hold lists, found str"),
    ],
)
def test_a_row_that_is_no_tagged_sentence_is_named(
    path: Path, row: dict[str, Any], message: str
) -> None:
    put(path, row)
    with pytest.raises(BadData, match=message):
        parquet.read_sentences(path, TokenColumns(names=TAGS))


def asked(text: list[str], start: list[int]) -> dict[str, Any]:
    answers = {"text": text, "answer_start": start}
    return {"id": "q", "question": "¿Dónde?", "context": "Nació en Jaén.", "answers": answers}


def test_questions_with_and_without_answers(path: Path) -> None:
    put(path, asked(["Jaén"], [9]), asked([], []))
    assert parquet.read_questions(path) == [
        Question("q", "¿Dónde?", "Nació en Jaén.", (Answer("Jaén", 9),)),
        Question("q", "¿Dónde?", "Nació en Jaén."),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (asked(["Jaén"], [8]), r"row 1 \(id q\): .*'Jaén' .*\b8\b"),
        (asked(["Jaén"], []), "row 1: 1 texts and 0 offsets of answers: expected as many"),
        ({**asked([], []), "answers": "Jaén"}, "row 1: column 'answers' should hold lists text"),
    ],
)
def test_a_row_that_is_no_question_is_named(path: Path, row: dict[str, Any], message: str) -> None:
    put(path, row)
    with pytest.raises(BadData, match=message):
        parquet.read_questions(path)


def test_a_cut_file_is_named(path: Path) -> None:
    put(path, asked([], []))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadData, match=r"train\.parquet: no whole Parquet file .*download it again"):
        parquet.read_questions(path)
