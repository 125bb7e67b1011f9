"""Parquet, as the hub keeps data sets: labelled texts, tagged words, questions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alambique.spec.errors import BadData
from alambique.tasks.examples import Question, Sentence
from alambique.tasks.formats import squad
from alambique.tasks.formats.columns import Row, missing

_ASKED = ("id", "question", "context")
_QUESTION = (*_ASKED, "answers")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Which columns hold words and their tags, each a list."""

    words: str = "tokens"
    tags: str = "ner_tags"
    names: Sequence[str] | None = None
    """Tags by their number; None: the column holds the tags themselves."""
    id: str | None = None
    """Without one, a sentence is named after its file and row."""


def rows(path: Path, wanted: Sequence[str]) -> Iterator[Row]:
    """The rows of a file by the names of their columns, of which others are not read.

    Raises:
        BadData: the file is damaged or no Parquet, or lacks a column.
    """
    columns = _columns(path, wanted)
    for number, cells in enumerate(zip(*columns, strict=True), 1):
        row = dict(zip(wanted, cells, strict=True))
        yield Row(row, f"{path}: row {number}", f"{path.name}:{number}")


def read_sentences(path: Path, tokens: Tokens, *, labels: bool = True) -> list[Sentence]:
    """The tagged sentences of a file; or their words alone, and no tags are looked at.

    Raises:
        BadData: as `rows`; or a row has no words, not one tag for each, or an unknown one.
    """
    wanted = (*((tokens.id,) if tokens.id else ()), tokens.words)
    if not labels:
        return [_untagged(row, tokens) for row in rows(path, wanted)]
    return [_sentence(row, tokens) for row in rows(path, (*wanted, tokens.tags))]


def read_questions(path: Path, *, labels: bool = True) -> list[Question]:
    """The questions of a file: id, question, context, and answers of text and answer_start.

    Without labels, no answers are looked at.

    Raises:
        BadData: as `rows`; or a row is not of this form, or an answer not at its offset.
    """
    if not labels:
        return [squad.asked(row.cells, _context(row), row.where) for row in rows(path, _ASKED)]
    return [_question(row) for row in rows(path, _QUESTION)]


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Writes these columns of texts so that `rows` gives them back."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(column, pyarrow.string()) for column in columns])
    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), path)


def _columns(path: Path, wanted: Sequence[str]) -> list[list[Any]]:
    # not on top: it takes longer to import than most commands take
    import pyarrow
    from pyarrow import parquet

    with path.open("rb") as file:
        try:
            found = parquet.ParquetFile(file)
            there = found.schema_arrow.names
            for column in wanted:
                if column not in there:
                    raise BadData(missing(column, there, str(path)))
            table = found.read(columns=list(wanted))
            return [table.column(column).to_pylist() for column in wanted]
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise BadData(
                f"{path}: no whole Parquet file ({error}): download it again, or write it anew"
            ) from error


def _sentence(row: Row, tokens: Tokens) -> Sentence:
    words, tags = _list(row, tokens.words), _list(row, tokens.tags)
    if len(words) != len(tags) or not words:
        raise BadData(
            f"{row.where}: {len(words)} words in {tokens.words!r} and {len(tags)} tags in "
            f"{tokens.tags!r}: expected words, and one tag for each"
        )
    return replace(_untagged(row, tokens), tags=tuple(_tag(row, tokens, tag) for tag in tags))


def _untagged(row: Row, tokens: Tokens) -> Sentence:
    words = _list(row, tokens.words)
    if not words:
        raise BadData(f"{row.where}: no words in {tokens.words!r}: add some, or drop the row")
    for word in words:
        if not isinstance(word, str) or not word:
            raise BadData(f"{row.where}: {word!r} in {tokens.words!r}: expected a word")
    name = row.cells[tokens.id] if tokens.id else row.name
    return Sentence(str(name), tuple(words), ())


def _list(row: Row, column: str) -> list[Any]:
    found = row.cells[column]
    if not isinstance(found, list):
        raise BadData(
            f"{row.where}: column {column!r} should hold lists, found {type(found).__name__}: name "
            "another column in the description of the data set"
        )
    return found


def _tag(row: Row, tokens: Tokens, found: object) -> str:
    names = tokens.names
    if isinstance(found, str) and (names is None or found in names):
        return found
    if isinstance(found, int) and names is not None and 0 <= found < len(names):
        return names[found]
    expected = "a tag in letters" if names is None else f"one of {list(names)} or its number"
    raise BadData(
        f"{row.where}: unknown tag {found!r} in {tokens.tags!r}: expected {expected}; correct the "
        "names in the description of the data set"
    )


def _question(row: Row) -> Question:
    answers = row.cells["answers"]
    texts, starts = (_part(answers, key, row.where) for key in ("text", "answer_start"))
    if len(texts) != len(starts):
        raise BadData(
            f"{row.where}: {len(texts)} texts and {len(starts)} offsets of answers: expected as "
            "many of both"
        )
    pairs = zip(texts, starts, strict=True)
    given = [{"text": text, "answer_start": start} for text, start in pairs]
    asked = {**row.cells, "answers": given, "is_impossible": not given}
    return squad.question_of(asked, _context(row), row.where)


def _context(row: Row) -> str:
    return squad.text_in(row.cells, "context", row.where)


def _part(answers: object, key: str, where: str) -> list[Any]:
    found = answers.get(key) if isinstance(answers, dict) else None
    if not isinstance(found, list):
        raise BadData(
            f"{where}: column 'answers' should hold lists text and answer_start, found "
            f"{answers!r:.60}"
        )
    return found
