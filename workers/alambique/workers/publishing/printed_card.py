"""A card beside the one that its signed provenance gives: every cell of it, and every other line.

A card is written from the registry alone, and what the registry has stands in the provenance: so
the card is written again, by the code that wrote it first, and compared.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from alambique.spec.documents import Unreadable, from_yaml
from alambique.spec.excerpts import short
from alambique.workers.publishing.findings import Finding, Verdict

CARD = "README.md"
LARGEST_CARD = 4 << 20
"""Bytes of one."""
_MATTER = "---\n"
_FENCE = re.compile(r"`{3,}")
_HEADING = re.compile(r"(#{1,3}) (.*)")
_BAR = re.compile(r"(?<!\\)\|")
"""Between two cells."""
_DIGIT = re.compile(r"\d")
_INDEX = "model-index"
_AS_PROVENANCE = "as its provenance gives it"
_OTHER = "its provenance gives another one"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a card, cell by cell."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under a heading of a card."""

    tables: list[Table] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """All that is in no table, without empty lines."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card in its parts."""

    matter: str
    """The front matter, as YAML."""
    sections: Mapping[str, Section]
    """By their headings, with the one above: `English, Results`."""


def card_findings(card: bytes | None, expected: bytes) -> Iterator[Finding]:
    """Yield the findings on a card: each cell, line and field that is not what it has to be.

    Args:
        card: as it was published. None: there is none.
        expected: as the provenance gives it.
    """
    if card is None:
        yield Finding(CARD, Verdict.FALSE, note="it is not there, and its numbers are not")
        return
    printed, wanted = (read_card(each.decode(errors="replace")) for each in (card, expected))
    yield from _matter_findings(printed.matter, wanted.matter)
    false = 0
    for heading in dict.fromkeys([*wanted.sections, *printed.sections]):
        ours, theirs = (each.sections.get(heading, Section()) for each in (wanted, printed))
        place = f"{CARD}, {heading}" if heading else CARD
        for finding in _table_findings(place, theirs.tables, ours.tables):
            false += 1
            yield finding
        yield from _line_findings(place, theirs.lines, ours.lines)
    if not false:
        cells = [
            cell
            for section in printed.sections.values()
            for table in section.tables
            for row in table.rows
            for cell in row
        ]
        figures = sum(bool(_DIGIT.search(cell)) for cell in cells)
        note = f"cells with figures, each {_AS_PROVENANCE}"
        yield Finding(f"{CARD}: tables", Verdict.HELD, figures, note=note)


def read_card(text: str) -> Card:
    """Return the parts of a card; in a block of code nothing is a heading or a table."""
    matter = ""
    if text.startswith(_MATTER):
        matter, _, text = text.removeprefix(_MATTER).partition(f"\n{_MATTER}")
    sections: dict[str, Section] = {}
    headings: list[str] = []
    rows: list[list[str]] = []
    fence = ""
    for line in [*text.splitlines(), ""]:
        section = sections.setdefault(", ".join(headings[1:]), Section())
        if not fence and line.startswith("|"):
            rows.append([cell.strip() for cell in _BAR.split(line.strip())[1:-1]])
            continue
        if rows:
            # the second line of a table parts the titles from what is under them
            section.tables.append(Table(rows[0], rows[2:]))
            rows = []
        marks = _FENCE.match(line)
        if marks and (not fence or line.startswith(fence)):
            fence = "" if fence else marks.group()
        if not fence and (heading := _HEADING.match(line)):
            headings = [*headings[: len(heading[1]) - 1], heading[2].strip()]
        if line.strip():
            section.lines.append(line.strip())
    return Card(matter, sections)


def _table_findings(
    place: str, printed: Sequence[Table], expected: Sequence[Table]
) -> Iterator[Finding]:
    """Yield a finding for each cell of the tables under a heading that is not as expected."""
    several = max(len(printed), len(expected)) > 1
    for number, (theirs, ours) in enumerate(zip_longest(printed, expected), start=1):
        name = f"{place}, table {number}" if several else f"{place}, table"
        if theirs is None:
            note = f"there is no such table ({', '.join(filter(None, ours.titles))})"
            yield Finding(name, Verdict.FALSE, note=note)
        elif ours is None:
            note = f"its provenance gives no such table ({short(', '.join(theirs.titles))})"
            yield Finding(name, Verdict.FALSE, note=note)
        else:
            yield from _row_findings(name, [theirs.titles], [ours.titles], ours.titles, first=0)
            yield from _row_findings(name, theirs.rows, ours.rows, ours.titles, first=1)


def _row_findings(
    name: str,
    printed: Sequence[Sequence[str]],
    expected: Sequence[Sequence[str]],
    titles: Sequence[str],
    *,
    first: int,
) -> Iterator[Finding]:
    for number, (theirs, ours) in enumerate(zip_longest(printed, expected), start=first):
        if theirs is None or ours is None:
            row = theirs or ours or ()
            note = "there is no such row" if theirs is None else "its provenance gives no such row"
            subject = f"{name}, row {number} ({short(', '.join(row))})"
            yield Finding(subject, Verdict.FALSE, note=note)
            continue
        cells = zip_longest(theirs, ours, titles, fillvalue="")
        for column, (their, our, title) in enumerate(cells, start=1):
            if their != our:
                row_name = f"row {number} ({ours[0]})" if number else "titles"
                subject = f"{name}, {row_name}, {title or f'column {column}'}"
                note = f"{_OTHER}: {our or 'nothing'}"
                yield Finding(subject, Verdict.FALSE, _shown(their), our, note=note)


def _line_findings(
    place: str, printed: Sequence[str], expected: Sequence[str]
) -> Iterator[Finding]:
    """Yield the findings on lines that are there and ought not to be, or the other way round.

    A line with a figure is false; words alone, such as a paragraph that a publisher has added, are
    said to be none of alambique's.
    """
    theirs, ours = Counter(printed), Counter(expected)
    for lines, note in (
        (theirs - ours, "its provenance gives no such line"),
        (ours - theirs, "its provenance gives this line, and it is not there"),
    ):
        for line in lines:
            verdict = Verdict.FALSE if _DIGIT.search(line) else Verdict.SAID
            yield Finding(f"{place}: {_shown(line)}", verdict, note=note)


def _matter_findings(printed: str, expected: str) -> Iterator[Finding]:
    """Yield the findings on the fields of the front matter, those of the `model-index` first."""
    try:
        theirs, ours = (dict(_fields(from_yaml(text) or {})) for text in (printed, expected))
    except Unreadable as error:
        yield Finding(CARD, Verdict.FALSE, note=f"its front matter cannot be read: {error}")
        return
    held = 0
    for name in sorted({*theirs, *ours}, key=lambda name: (not name.startswith(_INDEX), name)):
        their, our = theirs.get(name), ours.get(name)
        is_index = name.startswith(_INDEX)
        if their == our and type(their) is type(our):
            held += is_index
            continue
        is_number = any(isinstance(each, int | float) for each in (their, our))
        verdict = Verdict.FALSE if is_index or is_number else Verdict.SAID
        shown, wanted = ("nothing" if each is None else _shown(each) for each in (their, our))
        yield Finding(f"{CARD}, {name}", verdict, shown, wanted, note=f"{_OTHER}: {wanted}")
    if held:
        yield Finding(f"{CARD}: {_INDEX}", Verdict.HELD, held, note=f"fields, {_AS_PROVENANCE}")


def _fields(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what lies at the ends of nested mappings and lists, by the path to it."""
    match content:
        case dict():
            for key, value in content.items():
                yield from _fields(value, f"{name}.{key}" if name else str(key))
        case list():
            for number, value in enumerate(content):
                yield from _fields(value, f"{name}[{number}]")
        case _:
            yield name, content


def _shown(value: object) -> str:
    return str(value)[:80]
