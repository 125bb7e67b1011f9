"""CoNLL-2002: a word and its tag a line, with or without a part of speech between them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alambique.spec.errors import BadData
from alambique.tasks.examples import Sentence
from alambique.tasks.formats.lines import MARK, lines_of, text_of

_TAG = re.compile(r"O|[BI]-\S+")
# not str.split(): a no-break space may be a word, or part of one
_SPACES = re.compile(r"([ \t]+)")
_ISO = (
    "the corpus was published as ISO-8859-1, convert it with iconv -f ISO-8859-1 -t UTF-8, or "
    "save the file as UTF-8"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A word, its part of speech where there is one, and its tag, as they are written.

    Without a tag, as only an unlabelled file may be, that is empty.
    """

    word: str
    pos: str | None
    tag: str
    spaces: tuple[str, ...]
    """What stands before each column and behind the last; the end of the line is the last."""

    @property
    def text(self) -> str:
        """The line."""
        columns = filter(None, (self.word, self.pos, self.tag))
        spaced = zip(self.spaces, (*columns, ""), strict=True)
        return "".join(space + column for space, column in spaced)


@dataclass(frozen=True, slots=True)
class Block:
    """A sentence: its rows, and the empty lines behind it."""

    line: int
    """Where it starts, from 1."""
    rows: tuple[Row, ...]
    after: str = "\n"

    @property
    def text(self) -> str:
        """Its lines."""
        return "".join(row.text for row in self.rows) + self.after


@dataclass(frozen=True, slots=True)
class Document:
    """A file."""

    blocks: tuple[Block, ...]
    before: str = ""
    """What stands before the first sentence: empty lines, a mark."""

    @property
    def text(self) -> str:
        """The file, to the byte."""
        return self.before + "".join(block.text for block in self.blocks)


def read(path: Path, *, labels: bool = True) -> list[Sentence]:
    """Return the sentences of a file; an empty line ends one. Each is named after its first line.

    Args:
        path: of the file.
        labels: False: tags are not looked at, and need not be there.

    Raises:
        BadData: the file is not UTF-8, or a line has not 2 or 3 columns (without labels 1 to 3) or
            a tag of another form; the message names file and line.
    """
    return [_sentence(block, path.name, labels) for block in parse(path, labels=labels).blocks]


def write(path: Path, sentences: Iterable[Sentence]) -> None:
    """Write words and tags, an empty line after each sentence, so that `read` gives them back."""
    path.write_bytes(document(sentences).text.encode())


def document(sentences: Iterable[Sentence]) -> Document:
    """Return the file of these sentences: words and tags only."""
    blocks: list[Block] = []
    line = 1
    for sentence in sentences:
        pairs = zip(sentence.words, sentence.tags, strict=True)
        rows = tuple(Row(word, None, tag, ("", " ", "\n")) for word, tag in pairs)
        blocks.append(Block(line, rows))
        line += len(rows) + 1
    return Document(tuple(blocks))


def parse(path: Path, *, labels: bool = True) -> Document:
    """Return all that stands in a file, whose `text` is the file again.

    Raises:
        BadData: the file is broken, as `read` has it.
    """
    text = text_of(path, otherwise=_ISO)
    before = MARK if text.startswith(MARK) else ""
    blocks: list[Block] = []
    rows: list[Row] = []
    # the empty line behind the last closes a sentence that the file ends with
    for number, line in enumerate([*lines_of(text.removeprefix(MARK)), ""], 1):
        if line.strip(" \t\r\n"):
            rows.append(_row(line, f"{path}:{number}", labels))
        elif rows:
            blocks.append(Block(number - len(rows), tuple(rows), line))
            rows = []
        elif blocks:
            last = blocks[-1]
            blocks[-1] = Block(last.line, last.rows, last.after + line)
        else:
            before += line
    return Document(tuple(blocks), before)


def _sentence(block: Block, name: str, labels: bool) -> Sentence:
    words = tuple(row.word for row in block.rows)
    tags = tuple(row.tag for row in block.rows) if labels else ()
    return Sentence(f"{name}:{block.line}", words, tags)


def _row(line: str, where: str, labels: bool) -> Row:
    core = line.strip(" \t\r\n")
    start = line.index(core)
    cells = _SPACES.split(core)
    columns, between = cells[::2], cells[1::2]
    if len(columns) not in ((2, 3) if labels else (1, 2, 3)):
        raise BadData(
            f"{where}: {len(columns)} columns in {core!r}: expected a word and its tag, "
            f"or a word, its part of speech and its tag{'' if labels else ', or a word alone'}"
        )
    word, tag = columns[0], "" if len(columns) == 1 else columns[-1]
    if labels and not _TAG.fullmatch(tag):
        raise BadData(f"{where}: unknown tag {tag!r}: expected O, B-TYPE or I-TYPE, as in B-PER")
    pos = columns[1] if len(columns) == 3 else None
    return Row(word, pos, tag, (line[:start], *between, line[start + len(core) :]))
