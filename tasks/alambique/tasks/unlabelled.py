"""Examples that a teacher alone teaches: a task's own without their labels, or plain texts."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any
from unicodedata import normalize

from alambique.spec.data import Split
from alambique.spec.errors import BadData, BadSpec
from alambique.tasks.examples import Text, without_labels
from alambique.tasks.formats import parquet
from alambique.tasks.formats.columns import NoColumn, Rows
from alambique.tasks.formats.text import COLUMN, read_texts
from alambique.tasks.task import Reader, Task

_TEXT = ".txt"
"""How the name of a file of texts ends."""
_SPACED_OR_MARKED = re.compile(r"[\s\u0300-\u036f]+")
_AL = re.compile("(ae?l)+")
_DEL = re.compile("(dee?l)+")


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """The examples of a job that have no labels."""

    examples: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    """What to say of those that were left out."""
    wrong_size: str | None = None
    """What to say where there are not as many as the catalogue knows."""


NONE = Unlabelled()


def read_file(
    path: Path,
    name: str,
    task: Task[Any, Any],
    readers: Mapping[str, Reader[Any]],
    *,
    or_texts: bool,
) -> Rows:
    """Return the examples of a Parquet file, or an example for each text of its column of texts.

    Args:
        path: of the file.
        name: of the data set, for errors.
        task: what they are for.
        readers: of the task's own files.
        or_texts: whether a column of texts will do.

    Raises:
        BadData: it has neither the task's columns nor one of texts that the task could read.
    """
    try:
        examples = readers[path.suffix](path, labels=False)
    except NoColumn:
        if not or_texts or task.of_text is None or COLUMN not in parquet.columns(path):
            raise
        return Rows(of_texts(name, read_texts(path), task))
    return examples if isinstance(examples, Rows) else Rows(list(examples))


def read_path(path: Path, task: Task[Any, Any], readers: Mapping[str, Reader[Any]]) -> Rows:
    """Return the examples at a path: of a file, or of the train file or the texts of a folder.

    Args:
        path: of the file or folder.
        task: what they are for.
        readers: of the task's own files.

    Raises:
        BadSpec: there is no such file, or the task reads more than one text.
        BadData: a file is broken.
    """
    for file in [path, *(path / f"train{suffix}" for suffix in readers)]:
        if file.is_file() and (reader := readers.get(file.suffix)):
            examples = reader(file, labels=False)
            return examples if isinstance(examples, Rows) else Rows(list(examples))
    files = _text_files(path)
    if not files:
        known = " or ".join(f"*{suffix}" for suffix in (*readers, _TEXT))
        raise BadSpec(
            f"data.unlabelled: {path} is neither a file called {known} nor a folder with a train "
            f"file of that kind, or with texts (*{_TEXT}): give one of these"
        )
    return Rows([one for file in files for one in of_texts(file.name, read_texts(file), task)])


def _text_files(path: Path) -> list[Path]:
    """Return the text file, or those of a folder; of a folder with splits the train file alone."""
    for file in (path, path / f"train{_TEXT}"):
        if file.is_file() and file.suffix == _TEXT:
            return [file]
    return sorted(path.glob(f"*{_TEXT}"))


def of_texts(name: str, texts: Sequence[Text], task: Task[Any, Any]) -> list[Any]:
    """Return an example for each text of a set.

    Raises:
        BadSpec: the task reads more than one text.
    """
    if task.of_text is None:
        raise BadSpec(
            f"data.unlabelled: {name} is a set of texts, and an example of {task.name} is "
            f"{' and '.join(task.inputs)}: give a data set of that task, which needs no labels"
        )
    return [task.of_text(one.id, one.text) for one in texts]


def select_unlabelled(
    name: str,
    rows: Rows,
    known: Mapping[Split, Sequence[Any]],
    task: Task[Any, Any],
    limit: int | None,
) -> Unlabelled:
    """Return the examples, without labels, whose texts no split has.

    Args:
        name: of the set.
        rows: all of it.
        known: the examples of each split of the job.
        task: what they are for.
        limit: the most of them, the first ones.

    Raises:
        BadData: none is left.
    """
    texts, mine = _digests(rows, known, task)
    seen = set[bytes]().union(*texts.values())
    new = [one for one, own in zip(rows.examples, mine, strict=True) if own not in seen]
    if not new:
        raise BadData(
            f"data.unlabelled: {name} has no example beyond those of {', '.join(known)}: give "
            "another set"
        )
    notes = []
    if again := len(rows.examples) - len(new):
        sharing = [split for split, theirs in texts.items() if not theirs.isdisjoint(mine)]
        notes.append(
            f"{again} of {len(rows.examples)} unlabelled examples have the text of one of "
            f"{' and '.join(sharing)}: left out"
        )
    if rows.skipped:
        notes.append(f"{rows.skipped} unlabelled rows are marked as missing something: left out")
    return Unlabelled(tuple(without_labels(one) for one in new[:limit]), tuple(notes))


def count_new(rows: Rows, known: Mapping[Split, Sequence[Any]], task: Task[Any, Any]) -> int:
    """Return how many of the examples have a text that no split has."""
    texts, mine = _digests(rows, known, task)
    seen = set[bytes]().union(*texts.values())
    return sum(own not in seen for own in mine)


def _digests(
    rows: Rows, known: Mapping[Split, Sequence[Any]], task: Task[Any, Any]
) -> tuple[dict[Split, set[bytes]], list[bytes]]:
    """Return digests of the texts of each split, and of those of each row."""
    # the questions of a context have it each, and follow one another
    bare = partial(_text_digest, letters_of=lru_cache(maxsize=4096)(_letters))
    texts = {split: {bare(task.texts(one)) for one in those} for split, those in known.items()}
    return texts, [bare(task.texts(one)) for one in rows.examples]


def _text_digest(texts: tuple[str, ...], letters_of: Callable[[str], str]) -> bytes:
    """Return a digest of what is the same of a text however it is split into words.

    "EE.UU." is one word or four; a treebank has "a el" for "al" or both, "dando le" for "dándole".
    """
    letters = "".join(map(letters_of, texts))
    same = _AL.sub("al", _DEL.sub("del", letters))
    return blake2b(same.encode(errors="surrogatepass"), digest_size=16).digest()


def _letters(text: str) -> str:
    return _SPACED_OR_MARKED.sub("", normalize("NFD", text.casefold()))
