"""Text files as lines that keep how they end, so that together they are the file again."""

from pathlib import Path

from alambique.spec.errors import BadData

MARK = "\ufeff"
"""What some programs put at the start of a UTF-8 file."""

_RETRY = "save the file as UTF-8"


def text_of(path: Path, *, otherwise: str = _RETRY) -> str:
    """Return the whole file; a mark at its start is kept.

    Args:
        path: a UTF-8 file.
        otherwise: what the reader of the error is told to do.

    Raises:
        BadData: it is not UTF-8; the message names file, line and byte.
    """
    content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise BadData(f"{path}:{line}: byte {byte:#04x} is not UTF-8: {otherwise}") from error


def lines_of(text: str) -> list[str]:
    r"""Return the lines with their ends, which joined are the text.

    Split at \n alone: words may hold other line separators.

    >>> lines_of("uno\r\ndos")
    ['uno\r\n', 'dos']
    """
    *whole, last = text.split("\n")
    return [f"{line}\n" for line in whole] + ([last] if last else [])


def split_end(line: str) -> tuple[str, str]:
    r"""Return a line without its end, and the end.

    >>> split_end("uno\r\n"), split_end("dos")
    (('uno', '\r\n'), ('dos', ''))
    """
    content = line.removesuffix("\n").removesuffix("\r")
    return content, line[len(content) :]
