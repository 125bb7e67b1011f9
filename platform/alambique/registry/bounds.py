"""What is stored of texts that others wrote: no file of a model or data makes a row of megabytes.

These are the last bounds, for whatever comes: who writes a message shortens it where it is made.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from alambique.registry.dialects import storable
from alambique.spec.excerpts import excerpt

MESSAGE = 4000
"""Characters of the message of a job, an attempt or a trial: a screen."""
LINE = 2000
"""Characters of a line of a log."""
LINES = 20_000
"""Characters of all lines of one event together: a traceback, or a page of notes."""
CONTENT = 64 * 1024
"""Characters of an event's content as JSON."""


def bounded_message(text: str | None) -> str | None:
    """Return the message as it is stored, cut with a mark that says how much is left out."""
    return None if text is None else excerpt(str(storable(text)), MESSAGE)


def bounded_content(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of an event as it is stored: messages, log lines and all of it are cut."""
    bounded = bounded_fields(content)
    text = json.dumps(bounded, ensure_ascii=False)
    return bounded if len(text) <= CONTENT else {"cut": excerpt(text, MESSAGE)}


def bounded_fields(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content with its texts, and its lists of texts, as they are stored."""
    return {name: _bounded(value) for name, value in content.items()}


def bounded_lines(lines: Iterable[str]) -> list[str]:
    """Return the lines of a log event as they are stored: each cut, then how many are left out."""
    kept, left, rest = list[str](), LINES, 0
    for line in lines:
        cut = excerpt(str(storable(line)), LINE)
        if len(cut) > left or rest:
            rest += 1
        else:
            kept.append(cut)
            left -= len(cut) + 1
    return [*kept, *([f"… [{rest:,} more lines]"] if rest else [])]


def slices_of(lines: Iterable[str]) -> list[list[str]]:
    """Return the lines of a log in as many events as hold all of them, in their order."""
    slices, room = list[list[str]](), 0
    for line in lines:
        size = min(len(line), LINE) + 1
        if size > room:
            slices.append([])
            room = LINES
        slices[-1].append(line)
        room -= size
    return slices


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return bounded_message(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return bounded_lines(value)
    return value
