"""CoNLL-2002: a word and its tag a line, with or without a part of speech between them."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from alambique.spec.errors import BadData
from alambique.tasks.examples import Sentence

_TAG = re.compile(r"O|[BI]-\S+")


def read(path: Path) -> list[Sentence]:
    """The sentences of a file; an empty line ends one. Each is named after its first line.

    Raises:
        BadData: the file is not UTF-8, or a line has not 2 or 3 columns or a tag of another
            form; the message names file and line.
    """
    sentences: list[Sentence] = []
    rows: list[tuple[str, str]] = []
    start = 1
    for number, line in enumerate([*_lines(path), ""], 1):
        if line.strip(" \t"):
            rows.append(_row(line, f"{path}:{number}"))
            continue
        if rows:
            words, tags = zip(*rows, strict=True)
            sentences.append(Sentence(f"{path.name}:{start}", words, tags))
        rows, start = [], number + 1
    return sentences


def write(path: Path, sentences: Iterable[Sentence]) -> None:
    """Writes words and tags, an empty line after each sentence, so that `read` gives them back."""
    path.write_bytes("".join(_written(sentences)).encode())


def _written(sentences: Iterable[Sentence]) -> Iterator[str]:
    for sentence in sentences:
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            yield f"{word} {tag}\n"
        yield "\n"


def _lines(path: Path) -> list[str]:
    content = path.read_bytes()
    try:
        # split at \n alone: words may hold other line separators
        return [line.removesuffix("\r") for line in content.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadData(
            f"{path}:{line}: byte {content[error.start]:#04x} is not UTF-8; the corpus was "
            "published as ISO-8859-1: convert it with iconv -f ISO-8859-1 -t UTF-8"
        ) from error


def _row(line: str, where: str) -> tuple[str, str]:
    # not str.split(): a no-break space may be a word, or part of one
    columns = re.split(r"[ \t]+", line.strip(" \t"))
    if len(columns) not in (2, 3):
        raise BadData(
            f"{where}: {len(columns)} columns in {line!r}: expected a word and its tag, "
            "or a word, its part of speech and its tag"
        )
    word, tag = columns[0], columns[-1]
    if not _TAG.fullmatch(tag):
        raise BadData(f"{where}: unknown tag {tag!r}: expected O, B-TYPE or I-TYPE, as in B-PER")
    return word, tag
