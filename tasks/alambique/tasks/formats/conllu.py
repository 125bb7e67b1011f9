"""CoNLL-U, the files of dependency treebanks: words and their universal parts of speech."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import NoReturn, assert_never

from alambique.spec.errors import BadData
from alambique.tasks.examples import Sentence
from alambique.tasks.formats.lines import MARK, lines_of, split_end, text_of

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
        """The first and last word of a range; the word before an empty node, and its place there.

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


HUB_UPOS = (
    *("NOUN", "PUNCT", "ADP", "NUM", "SYM", "SCONJ", "ADJ", "PART", "DET"),
    *("CCONJ", "PROPN", "PRON", "X", "_", "ADV", "INTJ", "VERB", "AUX"),
)
"""The tags by their number in the hub's copies of the treebanks, "_" for a contraction."""

_ID = re.compile(r"[1-9][0-9]*(-[1-9][0-9]*)?|[0-9]+\.[1-9][0-9]*")


class Words(StrEnum):
    """What counts as a word where the text contracts several, as "al" does "a" and "el"."""

    SYNTACTIC = "syntactic"
    """The words of the tree: "a", "el". 17 tags."""
    CONTRACTED = "contracted"
    """The contraction, tagged "_", and behind it its words: "al", "a", "el". 18 tags.

    So the hub's copies have it, and with them the published figures: their loader listed every
    row that the package `conllu` gives, ranges included. It also listed empty nodes; they stand for
    nothing in the text, and are left out here.
    """

    @property
    def tags(self) -> tuple[str, ...]:
        """Those that there can be."""
        return UPOS if self is Words.SYNTACTIC else HUB_UPOS


def read(path: Path, *, words: Words, labels: bool = True) -> list[Sentence]:
    """Return the sentences of a file, named after their `sent_id` or else their first line.

    Args:
        path: of the file.
        words: what counts as one.
        labels: False: tags are not looked at, `_` or whatever they are.

    Raises:
        BadData: the file is not UTF-8; a line has not ten columns; ids are out of order; a range
            lacks its words; a word has an unknown UPOS. The message names file and line.
    """
    trees = parse(path, labels=labels).trees
    sentences = [_sentence(tree, path.name, words) for tree in trees]
    return sentences if labels else [replace(one, tags=()) for one in sentences]


def write(path: Path, sentences: Iterable[Sentence]) -> None:
    """Write words and tags, so that `read` gives them back as syntactic words.

    Raises:
        BadData: a sentence has a tag that is no UPOS, such as that of a contraction.
    """
    path.write_bytes(document(sentences).text.encode())


def document(sentences: Iterable[Sentence]) -> Document:
    """Return the file of these sentences, all other columns empty.

    Raises:
        BadData: a sentence has a tag that is no UPOS, such as that of a contraction.
    """
    trees: list[Tree] = []
    line = 1
    for sentence in sentences:
        tree = Tree(line, (f"# sent_id = {sentence.id}\n",), tuple(_rows(sentence)))
        trees.append(tree)
        line += len(tree.rows) + 2
    return Document(tuple(trees))


def _rows(sentence: Sentence) -> Iterator[Row]:
    for number, (word, tag) in enumerate(zip(sentence.words, sentence.tags, strict=True), 1):
        _check_tag(tag, f"sentence {sentence.id}, word {number} ({word})")
        yield Row(str(number), word, upos=tag)


def parse(path: Path, *, labels: bool = True) -> Document:
    """Return all that stands in a file, whose `text` is the file again.

    Raises:
        BadData: the file is broken, as `read` has it.
    """
    text = text_of(path)
    before = MARK if text.startswith(MARK) else ""
    trees: list[Tree] = []
    lines: list[str] = []
    # the empty line behind the last closes a sentence that the file ends with
    for number, line in enumerate([*lines_of(text.removeprefix(MARK)), ""], 1):
        if line.strip(" \t\r\n"):
            lines.append(line)
        elif lines:
            trees.append(_tree(lines, line, number - len(lines), path, labels))
            lines = []
        elif trees:
            last = trees[-1]
            trees[-1] = Tree(last.line, last.comments, last.rows, last.after + line)
        else:
            before += line
    return Document(tuple(trees), before)


def _tree(lines: list[str], after: str, start: int, path: Path, labels: bool) -> Tree:
    first = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    rows = [_row(line, f"{path}:{n}") for n, line in enumerate(lines[first:], start + first)]
    if not rows:
        raise BadData(
            f"{path}:{start}: a sentence of comments only: expected words behind them; add them, "
            "or take the comments out"
        )
    _check_order(rows, start + first, path)
    if labels:
        for line, row in enumerate(rows, start + first):
            if row.kind is Kind.WORD:
                _check_tag(row.upos, f"{path}:{line}")
    return Tree(start, tuple(lines[:first]), tuple(rows), after)


def _row(line: str, where: str) -> Row:
    content, end = split_end(line)
    if content.startswith("#"):
        raise BadData(f"{where}: a comment among the words: put it before the first of them")
    columns = content.split("\t")
    if len(columns) != len(COLUMNS):
        raise BadData(
            f"{where}: {len(columns)} columns in {content!r}: expected {len(COLUMNS)}, with a tab "
            f"between them: {' '.join(COLUMNS)}"
        )
    cells = dict(zip(COLUMNS, columns, strict=True))
    for name, cell in cells.items():
        if not cell:
            raise BadData(f"{where}: column {name} is empty: write _ where there is nothing")
    if not _ID.fullmatch(columns[0]):
        raise BadData(
            f"{where}: unknown id {columns[0]!r}: expected a number as 8, a range as 8-9, or an "
            "empty node as 5.1"
        )
    return Row(**cells, end=end)


def _check_tag(tag: str, where: str) -> None:
    if tag not in UPOS:
        raise BadData(f"{where}: unknown UPOS {tag!r}: expected one of {', '.join(UPOS)}")


def _check_order(rows: list[Row], start: int, path: Path) -> None:
    """Check that words count from 1, and ranges and empty nodes stand where they belong.

    Raises:
        BadData: they do not.
    """
    word = empty = closed = 0
    waiting = ""
    for line, row in enumerate(rows, start):
        first, last = row.numbers
        if not _may_follow(row, word, empty, closed):
            _raise_misplaced(row, f"{path}:{line}", waiting, _expected(row.kind, word, empty))
        match row.kind:
            case Kind.WORD:
                word, empty = first, 0
            case Kind.RANGE:
                closed, waiting = last, f"{path}:{line}: range {row.id} ({row.form})"
            case Kind.EMPTY:
                empty = last
            case _:
                assert_never(row.kind)
        waiting = "" if word >= closed else waiting
    if waiting:
        raise BadData(
            f"{waiting} without its words: the sentence ends with word {word}; add those up to "
            f"{closed}, or take the range out"
        )


def _may_follow(row: Row, word: int, empty: int, closed: int) -> bool:
    """Return whether a row may follow a word, empty nodes, and a range that ended at `closed`."""
    first, last = row.numbers
    match row.kind:
        case Kind.WORD:
            return first == word + 1
        case Kind.RANGE:
            return first == word + 1 and first > closed and last >= first
        case Kind.EMPTY:
            return first == word and last == empty + 1
        case _:
            assert_never(row.kind)


def _expected(kind: Kind, word: int, empty: int) -> str:
    match kind:
        case Kind.WORD:
            return f"word {word + 1}"
        case Kind.RANGE:
            return f"a range that begins with {word + 1} and overlaps no other"
        case Kind.EMPTY:
            return f"empty node {word}.{empty + 1}"
        case _:
            assert_never(kind)


def _raise_misplaced(row: Row, where: str, waiting: str, expected: str) -> NoReturn:
    if waiting and row.kind is Kind.WORD:
        raise BadData(
            f"{waiting} without its words: expected {expected} in line {where.rpartition(':')[2]}, "
            f"found {row.id}; add the words, or take the range out"
        )
    raise BadData(
        f"{where}: id {row.id} out of order: expected {expected}; number the sentence again"
    )


def _sentence(tree: Tree, file: str, words: Words) -> Sentence:
    kinds = (Kind.WORD,) if words is Words.SYNTACTIC else (Kind.WORD, Kind.RANGE)
    rows = [row for row in tree.rows if row.kind in kinds]
    # the tag of a range is none, whatever its column says
    tags = (row.upos if row.kind is Kind.WORD else NOTHING for row in rows)
    name = tree.name or f"{file}:{tree.line}"
    return Sentence(name, tuple(row.form for row in rows), tuple(tags))
