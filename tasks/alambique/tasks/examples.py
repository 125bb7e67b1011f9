"""What a task's examples are, and the file that carries them from one stage to the next."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, assert_never

from alambique.tasks import arrow
from alambique.tasks.arrow import Form, Forms


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


@dataclass(frozen=True, slots=True)
class Rated:
    """One text, or a pair of them, with a score such as how alike they are; None: nobody knows."""

    id: str
    texts: tuple[str, ...]
    score: float | None


@dataclass(frozen=True, slots=True)
class Text:
    """Running text, such as a paragraph, of which nothing else is known."""

    id: str
    text: str


Example = Question | Sentence | Labelled | Rated | Text


def without_labels(example: Example) -> Example:
    """Return the example without what is right: no answers, tags, class or score."""
    match example:
        case Question():
            return replace(example, answers=())
        case Sentence():
            return replace(example, tags=())
        case Labelled():
            return replace(example, label="")
        case Rated():
            return replace(example, score=None)
        case Text():
            return example
        case _:
            assert_never(example)


FILE = "examples.arrow"
"""What a file of them is called."""

_FORMS: Mapping[type[Example], Forms] = {
    Question: {
        "id": Form.TEXT,
        "question": Form.TEXT,
        "context": Form.TEXT,
        "answers": Form.SPANS,
    },
    Sentence: {"id": Form.TEXT, "words": Form.TEXTS, "tags": Form.TEXTS},
    Labelled: {"id": Form.TEXT, "texts": Form.TEXTS, "label": Form.TEXT},
    Rated: {"id": Form.TEXT, "texts": Form.TEXTS, "score": Form.NUMBER},
    Text: {"id": Form.TEXT, "text": Form.TEXT},
}
"""What the fields of each kind hold: the columns of its files."""


def write(path: Path, examples: Iterable[Example]) -> str:
    """Write examples of one kind as an Arrow file, and return their content hash.

    Equal examples in equal order give an equal hash on every machine.

    Raises:
        TypeError: they are of more than one kind.
    """
    every = list(examples)
    kinds = {type(example) for example in every}
    if len(kinds) > 1:
        names = sorted(kind.__name__ for kind in kinds)
        raise TypeError(f"examples of {' and '.join(names)}: expected one kind in a file")
    # a file without rows may be of any kind
    arrow.save(path, _FORMS[kinds.pop() if kinds else Labelled], [asdict(row) for row in every])
    return content_hash(every)


def read(path: Path) -> list[Example]:
    """Return the examples that `write` wrote.

    Raises:
        BadData: the file is not there, damaged, or holds something else.
    """
    forms, rows = arrow.load(path, tuple(_FORMS.values()))
    return [_example(forms, row) for row in rows]


def intact(path: Path) -> bool:
    """Return whether the file is there, as `write` wrote it."""
    return arrow.intact(path)


def content_hash(examples: Sequence[Example]) -> str:
    """Return the hash that `write` would give."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(_line(example))
    return digest.hexdigest()


def _line(example: Example) -> bytes:
    return (json.dumps(asdict(example), ensure_ascii=False, sort_keys=True) + "\n").encode()


def _example(forms: Forms, row: tuple[Any, ...]) -> Example:
    if forms is _FORMS[Sentence]:
        return Sentence(*row)
    if forms is _FORMS[Labelled]:
        return Labelled(*row)
    if forms is _FORMS[Rated]:
        return Rated(*row)
    if forms is _FORMS[Text]:
        return Text(*row)
    name, question, context, answers = row
    return Question(name, question, context, tuple(Answer(*answer) for answer in answers))
