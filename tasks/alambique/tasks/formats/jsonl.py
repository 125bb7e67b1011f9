"""JSON lines: an object a line, its keys the columns."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from alambique.spec.errors import BadData
from alambique.tasks.formats.columns import Row
from alambique.tasks.formats.lines import MARK, lines_of, text_of


def rows(path: Path) -> Iterator[Row]:
    """Yield the objects of a file; empty lines are passed over.

    Raises:
        BadData: the file is not UTF-8, or a line is no JSON object; the message names file and
            line.
    """
    for number, line in enumerate(lines_of(text_of(path).removeprefix(MARK)), 1):
        if line.strip():
            cells = _object(line, f"{path}:{number}")
            yield Row(cells, f"{path}:{number}", f"{path.name}:{number}")


def write(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write an object a line, so that `rows` gives them back."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def _object(line: str, where: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadData(
            f"{where}:{error.colno}: broken JSON: {error.msg}; expected one object a line"
        ) from error
    except (ValueError, RecursionError) as error:  # thousands of digits, or of brackets
        raise BadData(f"{where}: JSON that cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise BadData(
            f'{where}: expected an object such as {{"text": …}}, found {type(value).__name__}'
        )
    return value
