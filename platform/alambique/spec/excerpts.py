"""Excerpts of what others wrote: texts and lists of any length, for messages and rows."""

from collections.abc import Sequence

_SHOWN = 20
"""Items of a list: more than the labels of any tag set in the catalogue."""


def excerpt(text: str, most: int) -> str:
    """Return the text cut to `most` characters, with a mark that says how much is left out.

    >>> excerpt("a" * 1000, 40)
    'aaaaaaaaaaaaaaa… [985 more characters]'
    """
    if len(text) <= most:
        return text
    # the room for a mark that says the whole length, of which no number left out is longer
    kept = most - len(_mark(len(text)))
    return f"{text[:kept]}{_mark(len(text) - kept)}" if kept > 0 else text[:most]


def _mark(left_out: int) -> str:
    return f"… [{left_out:,} more characters]"


def short(value: object, limit: int = 80) -> str:
    """Return a value as messages show it, cut to `limit` characters."""
    try:
        text = repr(value)
    except ValueError:  # of a whole number that Python does not write in decimal digits
        return "a number of thousands of digits"
    return text if len(text) <= limit else f"{text[:limit]}…"


def listed(values: Sequence[object], most: int = _SHOWN) -> str:
    """Return a list as messages show it: its first items, and how many more there are.

    >>> listed(["O", "B-PER"]), listed(range(100), 3)
    ("['O', 'B-PER']", '[0, 1, 2, … and 97 more]')
    """
    return f"[{_joined([short(value) for value in values[:most]], len(values))}]"


def named(words: Sequence[str], most: int = _SHOWN) -> str:
    """Return names as messages show them: the first ones, and how many more there are.

    >>> named(["ana", "eva"]), named(["ana", "eva", "ida"], 1)
    ('ana, eva', 'ana, … and 2 more')
    """
    return _joined([excerpt(word, 100) for word in words[:most]], len(words))


def joined_by(words: Sequence[str], conjunction: str) -> str:
    """Return the words as a list in a sentence.

    >>> joined_by(["ana", "eva", "ida"], "and"), joined_by(["ana"], "or")
    ('ana, eva and ida', 'ana')
    """
    *others, last = words
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def _joined(shown: Sequence[str], count: int) -> str:
    rest = count - len(shown)
    return ", ".join([*shown, *([f"… and {rest:,} more"] if rest else [])])
