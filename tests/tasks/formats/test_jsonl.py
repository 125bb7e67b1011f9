import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alambique.tasks.formats import jsonl

Written = Callable[[str, str | bytes], Path]

texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda some: st.lists(some, max_size=2) | st.dictionaries(texts, some, max_size=2),
    max_leaves=4,
)
objects = st.lists(st.dictionaries(texts, values, max_size=3), max_size=4)


def cells_of(path: Path) -> list[Any]:
    return [row.cells for row in jsonl.rows(path)]


@given(objects)
def test_a_file_that_was_written_here_comes_back_to_the_byte(
    written: Written, rows: list[dict[str, Any]]
) -> None:
    path = written("all.jsonl", "")
    jsonl.write(path, rows)
    content = path.read_bytes()
    assert cells_of(path) == rows
    jsonl.write(path, cells_of(path))
    assert path.read_bytes() == content


@given(
    rows=objects,
    mark=st.sampled_from(["", "\ufeff"]),
    end=st.sampled_from(["\n", "\r\n", "\n \n"]),
    ascii_only=st.booleans(),
    separators=st.sampled_from([(",", ":"), (" , ", " : ")]),
)
def test_another_program_s_file_comes_back_in_its_values(
    written: Written,
    rows: list[dict[str, Any]],
    mark: str,
    end: str,
    ascii_only: bool,
    separators: tuple[str, str],
) -> None:
    """Not to the byte: spaces, escapes, empty lines, the mark and the ends are not kept."""
    lines = [json.dumps(row, ensure_ascii=ascii_only, separators=separators) for row in rows]
    path = written("all.jsonl", mark + end.join(lines))
    found = cells_of(path)
    assert found == rows
    jsonl.write(path, found)
    assert cells_of(path) == rows
