"""What a task's examples are, and the JSON lines that carry them from one stage to the next."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alambique.spec.errors import BadData


@dataclass(frozen=True, slots=True)
class Answer:
    """A span of the context: its text and the character it starts at."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """The character after its last."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a context. The first answer is gold; no answers: it has none there."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words, each with a tag such as B-PER."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One text, or a pair of them, with its class."""

    id: str
    texts: tuple[str, ...]
    label: str


Example = Question | Sentence | Labelled


def write(path: Path, examples: Iterable[Example]) -> str:
    """Writes one example a line, and gives the content hash of what it wrote.

    Equal examples in equal order give an equal hash on every machine.
    """
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for example in examples:
            line = _line(example)
            digest.update(line)
            out.write(line)
    return digest.hexdigest()


def read(path: Path) -> list[Example]:
    r"""The examples that `write` wrote.

    Raises:
        BadData: a line is no example; the message names file and line.
    """
    # split at \n alone: contexts may hold other line separators
    lines = path.read_bytes().decode().split("\n")
    return [_example(line, path, n) for n, line in enumerate(lines, 1) if line]


def content_hash(examples: Sequence[Example]) -> str:
    """The hash that `write` would give."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(_line(example))
    return digest.hexdigest()


def _line(example: Example) -> bytes:
    return (json.dumps(asdict(example), ensure_ascii=False, sort_keys=True) + "\n").encode()


def _example(line: str, path: Path, number: int) -> Example:
    try:
        row: dict[str, Any] = json.loads(line)
        if "words" in row:
            return Sentence(row["id"], tuple(row["words"]), tuple(row["tags"]))
        if "texts" in row:
            return Labelled(row["id"], tuple(row["texts"]), row["label"])
        answers = tuple(Answer(answer["text"], answer["start"]) for answer in row["answers"])
        return Question(row["id"], row["question"], row["context"], answers)
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(
            f"{path}:{number}: no example ({error!r}): expected a line that this program wrote; "
            "run the stage that makes this file again"
        ) from error
