"""How things look in a terminal: lists as tables, figures with their units."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alambique.spec.figures import Figure as Figure
from alambique.spec.figures import count as count
from alambique.spec.figures import decimal as decimal
from alambique.spec.figures import share as share

T = TypeVar("T")

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All control characters but tab and line feed, and those that turn the direction of a text."""


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    only_if_several: str | None = None,
) -> Table:
    """Return a table whose numbers stand at the right; None is left empty.

    Args:
        columns: their titles. The first is never folded: it is what other commands are given.
        rows: a cell for each column.
        only_if_several: the title of a column that is left out where it says one thing only.
    """
    lines = [list(row) for row in rows]
    if only_if_several and len({line[columns.index(only_if_several)] for line in lines}) < 2:
        index = columns.index(only_if_several)
        columns = _without(columns, index)
        lines = [_without(line, index) for line in lines]
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numbers = any(isinstance(line[index], int | float | Figure) for line in lines)
        justify: Literal["right", "left"] = "right" if numbers else "left"
        drawn.add_column(column, justify=justify, overflow="fold", no_wrap=index == 0)
    for line in lines:
        # as Text: what users wrote is no markup
        drawn.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in line))
    return drawn


def _without(cells: Sequence[T], index: int) -> list[T]:
    return [*cells[:index], *cells[index + 1 :]]


def show(drawn: object) -> None:
    """Print to stdout, as wide as the terminal (in a pipe: wide enough for any table)."""
    plain = Console()
    Console(width=plain.width if plain.is_terminal else 240, highlight=False).print(drawn)


def show_list(rows: Table, next_cursor: str | None) -> None:
    """Print a part of a list, and how to get the part after it."""
    show(rows)
    if next_cursor:
        print(f"more with --cursor {next_cursor}")


def show_json(content: object) -> None:
    """Print for another program to read."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def printable(text: str) -> str:
    r"""Return a text of somebody else's as a terminal may show it: what would steer it is escaped.

    >>> print(printable("año" + chr(27) + "]0;title" + chr(7)))
    año\x1b]0;title\x07
    """
    return _STEERING.sub(lambda match: ascii(match[0])[1:-1], text)


def say(text: str, *, flush: bool = False) -> None:
    """Print a text for people that may hold what somebody else wrote."""
    print(printable(text), flush=flush)


def duration(seconds: float) -> str:
    """Return a length of time for people.

    >>> duration(7.4), duration(187), duration(7500)
    ('7 s', '3 min 07 s', '2 h 05 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
