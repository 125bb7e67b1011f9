"""Which columns of a table hold what, and how its rows become labelled or rated texts."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alambique.spec.errors import BadData
from alambique.spec.excerpts import listed, short
from alambique.spec.field_errors import BadField, refuse
from alambique.spec.spelling import hint
from alambique.tasks.examples import Labelled, Rated, Text

NO_SENTENCE = "NS"
"""What PAWS-X has in the place of a sentence that was not translated."""


class NoColumn(BadData):
    """A table lacks a column; the message lists those that it has."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a data set hold.

    The mark of a row that is left out may stand in any of its texts or in its label.
    """

    texts: tuple[str, ...]
    """One column, or two for pairs."""
    label: str
    id: str | None = None
    """Without one, a row is named after its file and line."""
    names: Mapping[str, str] | None = None
    """From what stands in the label's column, a number as its digits, to the label; no other may
    stand there. None: the column holds the labels themselves, or numbers of them."""
    skipped: frozenset[str] = frozenset()
    """Marks of rows to leave out."""
    numbered: tuple[str, ...] = ()
    """All labels; a number in the label's column is the place of one, from 0 on. Empty: `names`."""
    from_file: bool = False
    """Whether the file itself says so, and not the job."""

    def read(self, *, labels: bool = True) -> tuple[str, ...]:
        """Return every column that is read, in the order in which a file is written."""
        return (
            *((self.id,) if self.id else ()),
            *self.texts,
            *((self.label,) if labels else ()),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """What the columns of a row hold, and where it stands: as an error says it, and as an id."""

    cells: Mapping[str, object]
    where: str
    name: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The examples of a file, and how many rows were left out because of a mark."""

    examples: list[Any]
    skipped: int = 0
    labels: tuple[str, ...] = ()
    """All that there may be, in their order, where the file says so."""


def labelled_texts(rows: Iterable[Row], columns: Columns, *, labels: bool = True) -> Rows:
    """Return the labelled texts of some rows; or their texts alone, and nothing is asked of labels.

    Raises:
        BadData: a column is missing or holds something else than text or a label, a text is
            empty, a label unknown, or a mark not among those to leave out.
    """
    examples: list[Labelled] = []
    skipped = 0
    for row in rows:
        cells = {column: _text(row, column) for column in columns.texts}
        texts = tuple(cells.values())
        if labels:
            cells[columns.label] = _label(row, columns.label)
        if columns.skipped.intersection(cells.values()):
            skipped += 1
            continue
        for column, text in cells.items():
            _check_text(row, column, text)
        name = _label(row, columns.id) if columns.id else row.name
        label = _label_name(row, columns) if labels else ""
        examples.append(Labelled(name, texts, label))
    return Rows(examples, skipped)


def rated_texts(rows: Iterable[Row], columns: Columns, *, labels: bool = True) -> Rows:
    """Return the texts of some rows with the number in the label's column; or their texts alone.

    Raises:
        BadData: a column is missing or holds something else than text or a number, or a text is
            empty.
    """
    examples: list[Rated] = []
    for row in rows:
        texts = {column: _text(row, column) for column in columns.texts}
        for column, text in texts.items():
            _check_text(row, column, text)
        score = _score(row, columns.label) if labels else None
        name = _label(row, columns.id) if columns.id else row.name
        examples.append(Rated(name, tuple(texts.values()), score))
    return Rows(examples)


def running_texts(rows: Iterable[Row], column: str) -> list[Text]:
    """Return the texts of a column; one of spaces alone is passed over, as an empty line is.

    Raises:
        BadData: there is no such column, or it holds something else than text.
    """
    texts = (Text(row.name, _text(row, column).strip()) for row in rows)
    return [text for text in texts if text.text]


def cells_of(examples: Iterable[Labelled], columns: Columns) -> Iterator[dict[str, str]]:
    """Yield the rows that `labelled_texts` makes these examples of.

    Ids are written if they have a column of their own.
    """
    marks = {name: mark for mark, name in (columns.names or {}).items()}
    for example in examples:
        ids = {columns.id: example.id} if columns.id else {}
        texts = dict(zip(columns.texts, example.texts, strict=True))
        yield {**ids, **texts, columns.label: marks.get(example.label, example.label)}


def check_header(header: Iterable[str], names: Iterable[str], where: str) -> None:
    """Check that a table has these columns.

    Raises:
        BadData: it lacks one; the message lists those it has.
    """
    there = list(header)
    for column in names:
        if column not in there:
            raise NoColumn(missing_text(column, there, where))


def missing_text(column: str, there: Iterable[str], where: str) -> str:
    """Return what to say of a column that a table lacks."""
    names = list(map(str, there))
    return (
        f"{where}: no column {column!r}, only {_some(names) or 'none'}: "
        f"{hint(column, names)}Name the file's columns so, or say what they are called "
        "(data.columns)"
    )


def _some(names: Sequence[str]) -> str:
    """Return the names as a message shows them: the first ones, and how many more there are."""
    return listed(names)[1:-1]


def renamed(columns: Columns, called: Mapping[str, str], task: str) -> Columns:
    """Return the columns under the names that a file has; those not in `called` keep theirs.

    Raises:
        BadSpec: the task has no such column, or two of its columns would be one of the file.
    """
    known = {column: column for column in (*columns.texts, columns.label)}
    *texts, label = names_in_file(known, called, task).values()
    return replace(columns, texts=tuple(texts), label=label)


def names_in_file(
    known: Mapping[str, str], called: Mapping[str, str], task: str
) -> Mapping[str, str]:
    """Return what a file calls each column of a task.

    Args:
        known: what each column is called by default, by its name for the task.
        called: what the job calls some of the columns, by their names for the task.
        task: the name of the task, for errors.

    Raises:
        BadSpec: the task has no such column, or two of its columns would be one of the file.
    """
    for column in called:
        if column not in known:
            message = (
                f"{task} reads {', '.join(known)}: give what your data calls these, such as "
                "{" + f"{[*known][-1]}: NAME" + "}"
            )
            refuse([BadField(f"data.columns.{column}", None, message)])
    columns = {column: called.get(column, name) for column, name in known.items()}
    names = list(columns.values())
    if twice := [name for name in names if names.count(name) > 1]:
        message = f"{twice[0]!r} is the column of two of {', '.join(known)}: name each once"
        refuse([BadField("data.columns", None, message)])
    return columns


def _cell(row: Row, column: str) -> object:
    if column not in row.cells:
        raise NoColumn(missing_text(column, row.cells, row.where))
    return row.cells[column]


def _text(row: Row, column: str) -> str:
    cell = _cell(row, column)
    if not isinstance(cell, str):
        raise BadData(
            f"{row.where}: column {column!r} should hold a text, found {type(cell).__name__} "
            f"({cell!r:.40}): correct the row"
        )
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        raise BadData(
            f"{row.where}: column {column!r} holds half of a surrogate pair, "
            f"{cell[error.start]!r}, at character {error.start}: write the whole character"
        ) from error
    return cell


def _label(row: Row, column: str) -> str:
    cell = _cell(row, column)
    if cell is None:
        raise BadData(
            f"{row.where}: column {column!r} has no label: fill it, take the row out, or give the "
            "data as unlabelled (data.unlabelled)"
        )
    number = _number(cell)
    return _text(row, column) if number is None else str(number)


def _score(row: Row, column: str) -> float:
    """Return the number in a cell, which a TSV has as text."""
    cell = _cell(row, column)
    try:
        found = float(cell) if isinstance(cell, int | float | str) else math.nan
    except ValueError:
        found = math.nan
    if isinstance(cell, bool) or not math.isfinite(found):
        raise BadData(
            f"{row.where}: column {column!r} should hold a number, found {short(cell)}: write it "
            "with a decimal point, take the row out, or give the data as unlabelled "
            "(data.unlabelled)"
        )
    return found


def _number(cell: object) -> int | None:
    """Return the whole number in a cell; None if there is none.

    A table with gaps has whole numbers as floats. True is an int, but names no class.
    """
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return cell if isinstance(cell, int) and not isinstance(cell, bool) else None


def _check_text(row: Row, column: str, text: str) -> None:
    if not text.strip():
        raise BadData(f"{row.where}: column {column!r} is empty: fill it, or take the row out")
    if text == NO_SENTENCE:
        raise BadData(
            f"{row.where}: column {column!r} holds {NO_SENTENCE!r}, the mark of a sentence that is "
            f"missing: take the row out, or describe the data set with skipped={{{NO_SENTENCE!r}}},"
            " which leaves such rows out"
        )


def _label_name(row: Row, columns: Columns) -> str:
    label = _label(row, columns.label)
    if columns.numbered:
        return _numbered_label(row, columns, label)
    if columns.names is None:
        return label
    if label not in columns.names:
        raise BadData(
            f"{row.where}: unknown label {short(label)} in column {columns.label!r}: expected one "
            f"of {_some(list(columns.names))}; correct the row, or the description of the data set"
        )
    return columns.names[label]


def _numbered_label(row: Row, columns: Columns, label: str) -> str:
    """Return the label that a cell names, or is the place of.

    A number that is text is a place only if no label is a number.

    Of names that are numbers nobody could tell what a number that is text means.
    """
    names, number = columns.numbered, _number(row.cells[columns.label])
    if number is None:
        if label in names:
            return label
        is_place = label.isdecimal() and not any(name.isdecimal() for name in names)
        number = int(label) if is_place else -2
    elif label in names and names.index(label) != number and not columns.from_file:
        raise BadData(
            f"{row.where}: {number} in column {columns.label!r} is the name of one label and the "
            f"place of another (data.labels): leave data.labels out, and each number is a label, "
            "or give names that are no numbers"
        )
    if 0 <= number < len(names):
        return names[number]
    unlabelled = (
        ". On the hub -1 means without label: take another split (data.splits), or give this one "
        "as unlabelled (data.unlabelled)"
    )
    raise BadData(
        f"{row.where}: unknown label {short(label)} in column {columns.label!r}: expected one of "
        f"{_some(names)}, or its place, from 0 on{unlabelled if number == -1 else ''}"
    )
