"""Labelled or rated texts from a table in a file: TSV, CSV, JSON lines or Parquet, by its name."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from alambique.spec.errors import BadData
from alambique.tasks.examples import Labelled
from alambique.tasks.formats import jsonl, parquet, separated
from alambique.tasks.formats.columns import (
    Columns,
    Row,
    Rows,
    cells_of,
    check_header,
    labelled_texts,
    rated_texts,
)


class Format(StrEnum):
    """What a file is, by how its name ends."""

    TSV = ".tsv"
    CSV = ".csv"
    JSONL = ".jsonl"
    PARQUET = ".parquet"


def read(
    path: Path,
    columns: Columns,
    *,
    header: tuple[str, ...] | None = None,
    labels: bool = True,
) -> Rows:
    """Return the labelled texts of a file, and how many rows were left out.

    Args:
        path: its suffix says what it is.
        columns: what its columns hold.
        header: names for the columns of a TSV or CSV that has no line of them.
        labels: False: they are not looked at, and need not be there.

    Raises:
        BadData: the file is broken, lacks a column, or a row is no labelled text; the message
            names file and line, or row.
    """
    rows = _rows(path, columns.read(labels=labels), header)
    if not labels or columns.names is not None:
        return labelled_texts(rows, columns, labels=labels)
    named = parquet.classes(path).get(columns.label, ()) if path.suffix == Format.PARQUET else ()
    if named:
        columns = replace(columns, numbered=named, from_file=True)
    return replace(labelled_texts(rows, columns), labels=named)


def read_rated(path: Path, columns: Columns, *, labels: bool = True) -> Rows:
    """Return the rated texts of a file.

    Args:
        path: its suffix says what it is.
        columns: what its columns hold.
        labels: False: scores are not looked at, and need not be there.

    Raises:
        BadData: the file is broken, lacks a column, or a row is no rated text; the message names
            file and line, or row.
    """
    return rated_texts(_rows(path, columns.read(labels=labels), None), columns, labels=labels)


def write(path: Path, columns: Columns, examples: Iterable[Labelled]) -> None:
    """Write labelled texts so that `read` gives them back.

    Raises:
        BadData: a text has a tab or a line break, and the file is a TSV.
    """
    cells = cells_of(examples, columns)
    match _format(path):
        case Format.TSV:
            separated.write_tsv(path, _table(columns, cells, "\n"))
        case Format.CSV:
            separated.write_csv(path, _table(columns, cells, "\r\n"))
        case Format.JSONL:
            jsonl.write(path, cells)
        case Format.PARQUET:
            parquet.write(path, columns.read(), cells)
        case other:
            assert_never(other)


def _rows(path: Path, column_names: Sequence[str], header: tuple[str, ...] | None) -> Iterator[Row]:
    match _format(path):
        case Format.TSV:
            return _separated_rows(path, separated.parse_tsv(path), column_names, header)
        case Format.CSV:
            return _separated_rows(path, separated.parse_csv(path), column_names, header)
        case Format.JSONL:
            return jsonl.rows(path)
        case Format.PARQUET:
            return parquet.rows(path, column_names)
        case other:
            assert_never(other)


def _separated_rows(
    path: Path, table: separated.Table, column_names: Sequence[str], header: tuple[str, ...] | None
) -> Iterator[Row]:
    check_header(header or separated.header_of(path, table), column_names, str(path))
    return separated.rows(path, table, header)


def _table(columns: Columns, cells: Iterable[dict[str, str]], end: str) -> separated.Table:
    return separated.table_of((columns.read(), *(tuple(row.values()) for row in cells)), end=end)


def _format(path: Path) -> Format:
    try:
        return Format(path.suffix)
    except ValueError as error:
        known = ", ".join(Format)
        raise BadData(
            f"{path}: no table is read from a file called *{path.suffix}: take one of {known}"
        ) from error
