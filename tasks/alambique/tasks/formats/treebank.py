"""A CoNLL-U file as it is written: sentences, their comments, and rows of ten columns."""

from dataclasses import dataclass, fields
from enum import StrEnum

UPOS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
"""The 17 universal parts of speech."""

NOTHING = "_"
"""What a column without a value holds; the tag of a contraction."""


class Kind(StrEnum):
    """What a row is, which its id tells."""

    WORD = "word"
    """A word of the tree: `8`."""
    RANGE = "range"
    """What stands in the text for several words: `8-9`, as "al" for "a" and "el"."""
    EMPTY = "empty node"
    """What does not stand in the text: `5.1`."""


@dataclass(frozen=True, slots=True)
class Row:
    """The ten columns, and how the line ends."""

    id: str
    form: str
    lemma: str = NOTHING
    upos: str = NOTHING
    xpos: str = NOTHING
    feats: str = NOTHING
    head: str = NOTHING
    deprel: str = NOTHING
    deps: str = NOTHING
    misc: str = NOTHING
    end: str = "\n"

    @property
    def kind(self) -> Kind:
        """What it is."""
        if "-" in self.id:
            return Kind.RANGE
        return Kind.EMPTY if "." in self.id else Kind.WORD

    @property
    def numbers(self) -> tuple[int, int]:
        """Of a range its first and last word; of an empty node its word and its place behind it.

        >>> Row("8-9", "al").numbers, Row("5.1", "_").numbers, Row("8", "a").numbers
        ((8, 9), (5, 1), (8, 8))
        """
        first, *last = self.id.replace(".", "-").split("-")
        return int(first), int(last[0] if last else first)

    @property
    def text(self) -> str:
        """The line."""
        return "\t".join(getattr(self, column) for column in COLUMNS) + self.end


COLUMNS = tuple(field.name for field in fields(Row) if field.name != "end")
"""The names of the ten."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A sentence."""

    line: int
    """Where it starts, from 1."""
    comments: tuple[str, ...]
    """Lines that begin with #, with their ends."""
    rows: tuple[Row, ...]
    after: str = "\n"
    """The empty lines behind it."""

    @property
    def text(self) -> str:
        """Its lines."""
        return "".join((*self.comments, *(row.text for row in self.rows), self.after))

    @property
    def name(self) -> str | None:
        """Its `sent_id`, where it has one."""
        for comment in self.comments:
            key, _, value = comment.removeprefix("#").partition("=")
            if key.strip() == "sent_id":
                return value.strip()
        return None


@dataclass(frozen=True, slots=True)
class Document:
    """A file."""

    trees: tuple[Tree, ...]
    before: str = ""
    """What stands before the first sentence: empty lines, a mark."""

    @property
    def text(self) -> str:
        """The file, to the byte."""
        return self.before + "".join(tree.text for tree in self.trees)
