"""Tables whose cells are separated by tabs (TSV) or commas (CSV): a header, and rows as wide."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alambique.spec.errors import BadData
from alambique.spec.excerpts import named, short
from alambique.tasks.formats.columns import Row
from alambique.tasks.formats.lines import MARK, lines_of, split_end, text_of


@dataclass(frozen=True, slots=True)
class Line:
    """A row, and the line of the file that it starts in."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A file: all its rows, the header among them, and how it was written."""

    lines: tuple[Line, ...]
    end: str
    """How its lines end."""
    mark: str = ""
    """What stands before the first."""
    ended: bool = True
    """Whether the last line has an end."""


def rows(path: Path, table: Table, header: tuple[str, ...] | None = None) -> Iterator[Row]:
    """Yield the rows of a table by the names of their columns.

    Args:
        path: where it was read from.
        table: what was read.
        header: the names; None where the first row holds them.

    Raises:
        BadData: a row is not as wide as the header, or a name stands twice in it.
    """
    lines = table.lines
    if header is None:
        header, lines = header_of(path, table), table.lines[1:]
    for line in lines:
        where = f"{path}:{line.number}"
        if len(line.cells) != len(header):
            raise BadData(
                f"{where}: {len(line.cells)} columns, expected {len(header)} "
                f"({named(header)}): correct the row, or take it out"
            )
        cells = dict(zip(header, line.cells, strict=True))
        yield Row(cells, where, f"{path.name}:{line.number}")


def header_of(path: Path, table: Table) -> tuple[str, ...]:
    """Return the names of the columns, which are in the first row.

    Raises:
        BadData: there is none, or a name stands twice in it.
    """
    if not table.lines:
        raise BadData(f"{path}:1: an empty file: expected a line with the names of the columns")
    header = table.lines[0].cells
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    if twice:
        raise BadData(f"{path}:1: column {short(twice[0])} stands twice: name each once")
    return header


def parse_tsv(path: Path) -> Table:
    """Return the rows of a file whose cells hold no tab and no line break; a quote is a character.

    Raises:
        BadData: the file is not UTF-8, or its lines do not all end alike.
    """
    text = text_of(path)
    mark = MARK if text.startswith(MARK) else ""
    lines = [split_end(line) for line in lines_of(text.removeprefix(MARK))]
    end = lines[0][1] or "\n" if lines else "\n"
    for number, (_, found) in enumerate(lines, 1):
        if found not in (end, ""):
            raise BadData(
                f"{path}:{number}: the line ends with {found!r}, the first with {end!r}: save the "
                "file with one kind of line end"
            )
    cells = (Line(n, tuple(content.split("\t"))) for n, (content, _) in enumerate(lines, 1))
    return Table(tuple(cells), end, mark, not lines or bool(lines[-1][1]))


def write_tsv(path: Path, table: Table) -> None:
    """Write a table so that `parse_tsv` gives it back.

    Raises:
        BadData: a cell holds a tab or a line break, which this format cannot say.
    """
    for line in table.lines:
        for cell in line.cells:
            if {"\t", "\n", "\r"}.intersection(cell):
                raise BadData(
                    f"{path}:{line.number}: {cell!r:.60} holds a tab or a line break, which TSV "
                    "cannot: write CSV or JSONL"
                )
    _save(path, table, table.end.join("\t".join(line.cells) for line in table.lines))


def parse_csv(path: Path) -> Table:
    """Return the rows of a file as RFC 4180 has it: a quoted cell may hold commas and line breaks.

    Raises:
        BadData: the file is not UTF-8, or a quote is not closed or followed by more.
    """
    text = text_of(path)
    mark = MARK if text.startswith(MARK) else ""
    physical = lines_of(text.removeprefix(MARK))
    lines = tuple(_csv_lines(path, physical))
    # a line break within a quoted cell may be another than that between rows
    first = lines[1].number - 1 if len(lines) > 1 else len(physical)
    end = split_end(physical[first - 1])[1] if physical else ""
    return Table(lines, end or "\n", mark, not physical or physical[-1].endswith("\n"))


def _csv_lines(path: Path, physical: list[str]) -> Iterator[Line]:
    reader = csv.reader(physical, strict=True)
    start = 1
    try:
        for cells in reader:
            yield Line(start, tuple(cells))
            start = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            raise BadData(
                f"{path}:{start}: a cell of the row that starts here has more than "
                f"{csv.field_size_limit():,} characters, as where a quote is not closed: shorten "
                "it, or write TSV or JSONL"
            ) from error
        raise BadData(
            f"{path}:{start}: broken CSV in the row that starts here ({error}): close each quote "
            "that opens a cell, and write a quote within it twice"
        ) from error


def write_csv(path: Path, table: Table) -> None:
    """Write a table so that `parse_csv` gives it back, with no more quotes than needed."""
    _save(path, table, table.end.join(_csv_row(line.cells) for line in table.lines))


def _csv_row(cells: tuple[str, ...]) -> str:
    out = io.StringIO(newline="")
    # with another end, a lone \r or \n in a cell would not be quoted
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().removesuffix("\r\n")


def table_of(rows: Iterable[tuple[str, ...]], *, end: str) -> Table:
    """Return a table of these rows, as a new file has it."""
    return Table(tuple(Line(number, cells) for number, cells in enumerate(rows, 1)), end)


def _save(path: Path, table: Table, text: str) -> None:
    last = table.end if table.lines and table.ended else ""
    path.write_bytes(f"{table.mark}{text}{last}".encode())
