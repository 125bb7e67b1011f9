"""Running text: a paragraph a line, or a column of texts."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from alambique.spec.errors import BadData
from alambique.tasks.examples import Text
from alambique.tasks.formats import jsonl, parquet
from alambique.tasks.formats.columns import running_texts
from alambique.tasks.formats.lines import MARK, lines_of, text_of

COLUMN = "text"
"""The one that is read of a table, if nothing else is said."""


def read_texts(path: Path, column: str = COLUMN) -> list[Text]:
    """Return the texts of a file, each named after its line or row; empty ones are left out.

    Args:
        path: its suffix says what it is: one of `READERS`.
        column: the one that is read of a table.

    Raises:
        BadData: the file is not UTF-8, broken, or of another kind, or lacks the column; the
            message names file and line, or row.
    """
    if path.suffix not in READERS:
        raise BadData(
            f"{path}: no text is read from a file called *{path.suffix}: take one of "
            f"{', '.join(READERS)}"
        )
    return READERS[path.suffix](path, column)


def write(path: Path, texts: Iterable[str]) -> None:
    """Write a paragraph a line, so that `read_texts` gives them back."""
    path.write_bytes("".join(f"{text}\n" for text in texts).encode())


def _lines(path: Path, _: str) -> list[Text]:
    lines = enumerate(lines_of(text_of(path).removeprefix(MARK)), 1)
    stripped = ((number, line.strip()) for number, line in lines)
    return [Text(f"{path.name}:{number}", line) for number, line in stripped if line]


READERS: Mapping[str, Callable[[Path, str], list[Text]]] = {
    ".txt": _lines,
    ".jsonl": lambda path, column: running_texts(jsonl.rows(path), column),
    ".parquet": lambda path, column: running_texts(parquet.rows(path, (column,)), column),
}
"""By how the name of a file ends."""
