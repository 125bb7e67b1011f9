"""The sample data sets that this package ships: gzipped JSON lines, a file for each split.

`python -m benchmarks.sample` makes the files, from a seed.
"""

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alambique.spec.data import Split
from alambique.spec.errors import BadData
from alambique.tasks.examples import Answer, Example, Labelled, Question, Rated, Sentence, Text

FOLDER = Path(__file__).with_name("sample_data")


def sample_file(name: str, split: Split) -> Path:
    """Return the path of a split of a sample data set, such as `questions`."""
    return FOLDER / name / f"{split}.jsonl.gz"


def write_sample(path: Path, examples: Sequence[Example]) -> None:
    """Write examples so that `read_sample` gives them back; equal ones make equal files."""
    lines = (json.dumps(asdict(example), ensure_ascii=False) for example in examples)
    content = "".join(f"{line}\n" for line in lines).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    # a time in the file would make each writing of it another file
    path.write_bytes(gzip.compress(content, mtime=0))


def read_sample(path: Path) -> list[Example]:
    """Return the examples of a file that `write_sample` wrote.

    Raises:
        BadData: the file is not there, damaged, or holds something else.
    """
    try:
        *lines, rest = gzip.decompress(path.read_bytes()).decode().split("\n")
        if rest or not lines:
            raise ValueError("it ends within a line")
        return [_example(json.loads(line)) for line in lines]
    except (OSError, EOFError, ValueError, TypeError, zlib.error) as error:
        raise BadData(
            f"{path}: no whole file of examples ({error}): expected one that this package ships; "
            "install the package again"
        ) from error


def _example(row: dict[str, Any]) -> Example:
    """Return the example whose fields are the keys of a row."""
    match row:
        case {"id": name, "words": words, "tags": tags}:
            return Sentence(name, tuple(words), tuple(tags))
        case {"id": name, "texts": texts, "label": label}:
            return Labelled(name, tuple(texts), label)
        case {"id": name, "texts": texts, "score": score}:
            return Rated(name, tuple(texts), score)
        case {"id": name, "question": question, "context": context, "answers": answers}:
            return Question(name, question, context, tuple(Answer(**one) for one in answers))
        case {"id": name, "text": text}:
            return Text(name, text)
        case _:
            raise ValueError("a line is no example")
