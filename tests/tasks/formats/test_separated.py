from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.tasks.formats.separated import (
    Line,
    Table,
    parse_csv,
    parse_tsv,
    write_csv,
    write_tsv,
)

Written = Callable[[str, str | bytes], Path]

cells = st.text(st.characters(codec="utf-8"), max_size=6)
plain = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r\ufeff"), max_size=6)


@given(content=st.text(st.sampled_from('añ\t"\n\ufeff,\u2028 ')))
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_tsv_that_was_read_is_written_as_it_was(written: Written, content: str, end: str) -> None:
    before = content.replace("\n", end).encode()
    path = written("any.tsv", before)
    write_tsv(path, parse_tsv(path))
    assert path.read_bytes() == before


@given(
    rows=st.lists(st.lists(cells, min_size=2, max_size=3).map(tuple), min_size=1, max_size=4),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
    ended=st.booleans(),
)
def test_a_csv_that_was_written_is_read_and_written_again(
    written: Written, rows: list[tuple[str, ...]], end: str, mark: str, ended: bool
) -> None:
    path = written("any.csv", "")
    lines = tuple(Line(number, row) for number, row in enumerate(rows, 1))
    write_csv(path, Table(lines, end, mark, ended))
    content, found = path.read_bytes(), parse_csv(path)
    assert [line.cells for line in found.lines] == rows
    write_csv(path, found)
    assert path.read_bytes() == content


@given(
    rows=st.lists(st.lists(st.tuples(cells, st.booleans()), min_size=2, max_size=3), max_size=4),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_another_program_s_csv_comes_back_in_its_cells(
    written: Written, rows: list[list[tuple[str, bool]]], end: str
) -> None:
    """Not to the byte: quotes that are not needed are not kept."""
    path = written(
        "any.csv", "".join(",".join(_quoted(*cell) for cell in row) + end for row in rows)
    )
    found = parse_csv(path)
    assert [line.cells for line in found.lines] == [tuple(cell for cell, _ in row) for row in rows]
    write_csv(path, found)
    assert [line.cells for line in parse_csv(path).lines] == [line.cells for line in found.lines]


def _quoted(cell: str, anyway: bool) -> str:
    needed = not {",", '"', "\r", "\n"}.isdisjoint(cell) or cell.startswith("\ufeff")
    return '"' + cell.replace('"', '""') + '"' if needed or anyway else cell


@given(rows=st.lists(st.lists(plain, min_size=2, max_size=3).map(tuple), max_size=4))
def test_a_tsv_that_was_written_is_read_back(written: Written, rows: list[tuple[str, ...]]) -> None:
    path = written("any.tsv", "")
    table = Table(tuple(Line(number, row) for number, row in enumerate(rows, 1)), "\n")
    write_tsv(path, table)
    assert parse_tsv(path) == table


@pytest.mark.parametrize("name", ["xnli", "paws-x", "inferes", "noticias"])
def test_the_real_files_come_back_to_the_byte(shared: Path, tmp_path: Path, name: str) -> None:
    for path in sorted((shared / "data" / name).iterdir()):
        copy = tmp_path / path.name
        if path.suffix == ".tsv":
            write_tsv(copy, parse_tsv(path))
        else:
            write_csv(copy, parse_csv(path))
        assert copy.read_bytes() == path.read_bytes()
