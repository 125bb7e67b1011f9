"""Plain texts: one a line, UTF-8, without labels."""

from pathlib import Path

from alambique.tasks.formats.lines import MARK, lines_of, text_of


def read_texts(path: Path) -> list[str]:
    """The texts of a file, without the spaces around them; empty lines are none.

    Raises:
        BadData: it is not UTF-8; the message names file, line and byte.
    """
    lines = lines_of(text_of(path).removeprefix(MARK))
    return [text for line in lines if (text := line.strip())]
