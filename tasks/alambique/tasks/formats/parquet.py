"""Parquet, as the hub keeps data sets: labelled texts, tagged words, questions."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alambique.spec.errors import BadData
from alambique.spec.excerpts import listed
from alambique.tasks.examples import Question, Sentence
from alambique.tasks.formats import squad
from alambique.tasks.formats.columns import NoColumn, Row, Rows, missing_text

_FEATURES = b"huggingface"
"""Where `datasets` writes into a file what its columns hold."""


@dataclass(frozen=True, slots=True)
class TokenColumns:
    """Which columns hold words and their tags, each a list."""

    words: str = "tokens"
    tags: str = "ner_tags"
    names: Sequence[str] | None = None
    """Tags by their number, where the file itself has no names for them; None: the column holds
    the tags themselves."""
    id: str | None = None
    """Without one, a sentence is named after its file and row."""


@dataclass(frozen=True, slots=True)
class QuestionColumns:
    """Which columns hold a question, its context and its answers, of text and answer_start."""

    id: str | None = "id"
    """Without one, a question is named after its file and row."""
    question: str = "question"
    context: str = "context"
    answers: str = "answers"
    id_named: bool = False
    """Whether somebody said what the column of ids is called; else it need not be there."""


_FIELDS = QuestionColumns()


def rows(path: Path, column_names: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a file by the names of their columns, of which others are not read.

    Raises:
        BadData: the file is damaged or no Parquet, or lacks a column.
    """
    columns = _columns(path, column_names)
    for number, cells in enumerate(zip(*columns, strict=True), 1):
        row = dict(zip(column_names, cells, strict=True))
        yield Row(row, f"{path}: row {number}", f"{path.name}:{number}")


def read_sentences(path: Path, tokens: TokenColumns, *, labels: bool = True) -> Rows:
    """Return the tagged sentences of a file; or their words alone, and no tags are looked at.

    Raises:
        BadData: as `rows`; or a row has no words, not one tag for each, or an unknown one.
    """
    column_names = (*((tokens.id,) if tokens.id else ()), tokens.words)
    if not labels:
        return Rows([_untagged(row, tokens) for row in rows(path, column_names)])
    named = classes(path).get(tokens.tags, ())
    tokens = replace(tokens, names=named or tokens.names)
    sentences = [_sentence(row, tokens) for row in rows(path, (*column_names, tokens.tags))]
    return Rows(sentences, labels=named)


def read_questions(
    path: Path, fields: QuestionColumns = _FIELDS, *, labels: bool = True
) -> list[Question]:
    """Return the questions of a file; without labels, no answers are looked at.

    Raises:
        BadData: as `rows`; or a row is not of this form, or an answer not at its offset.
    """
    if fields.id is not None and not fields.id_named and fields.id not in columns(path):
        fields = replace(fields, id=None)
    column_names = (*((fields.id,) if fields.id else ()), fields.question, fields.context)
    if not labels:
        return [
            squad.unanswered_question(_cells(row, fields), _context(row, fields), row.where)
            for row in rows(path, column_names)
        ]
    return [_question(row, fields) for row in rows(path, (*column_names, fields.answers))]


def columns(path: Path) -> list[str]:
    """Return the names of the columns of a file.

    Raises:
        BadData: the file is damaged or no Parquet.
    """
    with _open(path) as file:
        return list(file.schema_arrow.names)


def row_count(path: Path) -> int:
    """Return how many rows a file has.

    Raises:
        BadData: the file is damaged or no Parquet.
    """
    with _open(path) as file:
        return int(file.metadata.num_rows)


def classes(path: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the names of classes or tags by their number, of each column that has them.

    `datasets` writes them into its files. A file of somebody else's has none.

    Raises:
        BadData: the file is damaged or no Parquet.
    """
    with _open(path) as file:
        metadata = (file.schema_arrow.metadata or {}).get(_FEATURES)
    try:
        features = json.loads(metadata)["info"]["features"] if metadata else {}
        named = {column: _class_names(features[column]) for column in features}
    except (ValueError, KeyError, TypeError):
        return {}  # written by a version of the library that says it otherwise
    return {column: names for column, names in named.items() if names}


def _class_names(feature: Any) -> tuple[str, ...]:
    """Return the names of the classes of a column, or of the lists in it, if it has any."""
    if isinstance(feature, list) and len(feature) == 1:  # how older versions write lists
        feature = feature[0]
    if not isinstance(feature, dict):
        return ()
    if feature.get("_type") == "ClassLabel":
        return tuple(map(str, feature.get("names") or ()))
    return _class_names(feature["feature"]) if "feature" in feature else ()


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write columns of texts so that `rows` gives them back."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(column, pyarrow.string()) for column in columns])
    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), path)


def _columns(path: Path, column_names: Sequence[str]) -> list[list[Any]]:
    with _open(path) as file:
        there = file.schema_arrow.names
        for column in column_names:
            if column not in there:
                raise NoColumn(missing_text(column, there, str(path)))
        table = file.read(columns=list(column_names))
        return [table.column(column).to_pylist() for column in column_names]


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    # not on top: it takes longer to import than most commands take
    import pyarrow
    from pyarrow import parquet

    with path.open("rb") as file:
        try:
            yield parquet.ParquetFile(file)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise BadData(
                f"{path}: no whole Parquet file ({error}): download it again, or write it anew"
            ) from error


def _sentence(row: Row, tokens: TokenColumns) -> Sentence:
    words, tags = _list(row, tokens.words), _list(row, tokens.tags)
    if len(words) != len(tags) or not words:
        raise BadData(
            f"{row.where}: {len(words)} words in {tokens.words!r} and {len(tags)} tags in "
            f"{tokens.tags!r}: expected words, and one tag for each"
        )
    return replace(_untagged(row, tokens), tags=tuple(_tag(row, tokens, tag) for tag in tags))


def _untagged(row: Row, tokens: TokenColumns) -> Sentence:
    words = _list(row, tokens.words)
    if not words:
        raise BadData(f"{row.where}: no words in {tokens.words!r}: add some, or drop the row")
    for word in words:
        if not isinstance(word, str) or not word:
            raise BadData(f"{row.where}: {word!r} in {tokens.words!r}: expected a word")
    name = row.cells[tokens.id] if tokens.id else row.name
    return Sentence(str(name), tuple(words), ())


def _list(row: Row, column: str) -> list[Any]:
    cell = row.cells[column]
    if not isinstance(cell, list):
        raise BadData(
            f"{row.where}: column {column!r} should hold lists, found {type(cell).__name__}: name "
            "another column in the description of the data set"
        )
    return cell


def _tag(row: Row, tokens: TokenColumns, cell: object) -> str:
    names = tokens.names
    if isinstance(cell, str) and (names is None or cell in names):
        return cell
    if isinstance(cell, int) and names is not None and 0 <= cell < len(names):
        return names[cell]
    expected = "a tag in letters" if names is None else f"one of {listed(names)} or its number"
    raise BadData(
        f"{row.where}: unknown tag {cell!r} in {tokens.tags!r}: expected {expected}; correct the "
        "names in the description of the data set"
    )


def _question(row: Row, fields: QuestionColumns) -> Question:
    answers = row.cells[fields.answers]
    texts, starts = (
        _part(fields.answers, answers, key, row.where) for key in ("text", "answer_start")
    )
    if len(texts) != len(starts):
        raise BadData(
            f"{row.where}: {len(texts)} texts and {len(starts)} offsets of answers: expected as "
            "many of both"
        )
    pairs = zip(texts, starts, strict=True)
    given = [{"text": text, "answer_start": start} for text, start in pairs]
    question = {**_cells(row, fields), "answers": given, "is_impossible": not given}
    return squad.question_of(question, _context(row, fields), row.where)


def _cells(row: Row, fields: QuestionColumns) -> dict[str, object]:
    """Return id and question of a row, under the names that SQuAD has for them."""
    name = str(row.cells[fields.id]) if fields.id else row.name
    return {"id": name, "question": row.cells[fields.question]}


def _context(row: Row, fields: QuestionColumns) -> str:
    return squad.text_in(row.cells, fields.context, row.where)


def _part(column: str, answers: object, key: str, where: str) -> list[Any]:
    part = answers.get(key) if isinstance(answers, dict) else None
    if not isinstance(part, list):
        raise BadData(
            f"{where}: column {column!r} should hold lists text and answer_start, found "
            f"{answers!r:.60}"
        )
    return part
