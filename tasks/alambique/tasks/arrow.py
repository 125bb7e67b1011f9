"""Rows of texts and lists as one Arrow file with its checksum, read through a memory map.

pyarrow is imported where it is used: that takes longer than most commands take.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from itertools import pairwise
from pathlib import Path
from typing import Any, assert_never

from alambique.spec.errors import BadData

_BATCH = 10_000
"""Rows of a record batch: a column of it stays far below the 2 GiB that it can hold."""
_SUM = "sha256"
_SUM_BYTES = hashlib.new(_SUM).digest_size


class Form(Enum):
    """What a column holds in each row."""

    TEXT = auto()
    TEXTS = auto()
    """A list of texts."""
    SPANS = auto()
    """A list of texts, each with where it starts."""
    NUMBER = auto()
    """A number, or none."""


Forms = Mapping[str, Form]
"""The columns of a file by their names, in their order."""


def save(path: Path, forms: Forms, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a file that `load` reads; a reader meanwhile sees what was there before."""
    import pyarrow

    schema = _schema(forms)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with pyarrow.OSFile(str(unfinished), "wb") as file, pyarrow.ipc.new_file(file, schema) as out:
        for start in range(0, len(rows), _BATCH):
            some = list(rows[start : start + _BATCH])
            out.write_batch(pyarrow.RecordBatch.from_pylist(some, schema))
    with unfinished.open("r+b") as written:
        written.write(hashlib.file_digest(written, _SUM).digest())
    unfinished.replace(path)


def intact(path: Path) -> bool:
    """Return whether the file is there, as `save` wrote it."""
    import pyarrow

    try:
        with pyarrow.memory_map(str(path)) as file:
            _checked_content(file)
    except (pyarrow.ArrowException, OSError):
        return False
    return True


def load(path: Path, known: Sequence[Forms]) -> tuple[Forms, list[tuple[Any, ...]]]:
    """Return the forms of a file, one of those known, and its rows.

    A text is a str, a list of them a tuple, a span a pair of its text and start, and a number a
    float or None.

    Raises:
        BadData: the file is not there, not whole, or of no known form.
    """
    import pyarrow

    try:
        with pyarrow.memory_map(str(path)) as file:
            reader = pyarrow.ipc.open_file(_checked_content(file))
            forms = _forms(reader.schema, known)
            batches = (reader.get_batch(n) for n in range(reader.num_record_batches))
            return forms, [row for batch in batches for row in _rows(batch, forms)]
    except (pyarrow.ArrowException, OSError) as error:
        raise BadData(
            f"{path}: no whole file of examples ({error}): expected one that this program wrote; "
            "retry the job, whose check writes the file again"
        ) from error


def _checked_content(file: Any) -> Any:
    """Return what is in the file before its checksum, which is checked.

    Arrow itself would read flipped bits as texts.
    """
    import pyarrow

    whole = file.read_buffer()
    content, checksum = whole[:-_SUM_BYTES], whole[-_SUM_BYTES:]
    if hashlib.new(_SUM, content).digest() != checksum.to_pybytes():
        raise pyarrow.ArrowInvalid("its checksum is that of another content")
    return content


def _schema(forms: Forms) -> Any:
    import pyarrow

    text = pyarrow.string()
    types = {
        Form.TEXT: text,
        Form.TEXTS: pyarrow.list_(text),
        Form.SPANS: pyarrow.list_(pyarrow.struct([("text", text), ("start", pyarrow.int64())])),
        Form.NUMBER: pyarrow.float64(),
    }
    return pyarrow.schema([(name, types[form]) for name, form in forms.items()])


def _forms(schema: Any, known: Sequence[Forms]) -> Forms:
    import pyarrow

    for forms in known:
        if schema.equals(_schema(forms)):
            return forms
    raise pyarrow.ArrowInvalid(f"it has columns {', '.join(map(str, schema))}")


def _rows(batch: Any, forms: Forms) -> Iterator[tuple[Any, ...]]:
    columns = (_values(batch.column(name), form) for name, form in forms.items())
    return zip(*columns, strict=True)


def _values(column: Any, form: Form) -> list[Any]:
    match form:
        case Form.TEXT:
            return _python_values(column)
        case Form.TEXTS:
            return _lists(column, _python_values(column.flatten()))
        case Form.SPANS:
            texts, starts = map(_python_values, column.flatten().flatten())
            return _lists(column, list(zip(texts, starts, strict=True)))
        case Form.NUMBER:
            return list(column.to_pylist())  # as no number and nothing else gives None
        case _:
            assert_never(form)


def _python_values(column: Any) -> list[Any]:
    # several times as fast as to_pylist, which makes an object of Arrow's own for each value
    values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
    return values


def _lists(column: Any, flat: list[Any]) -> list[tuple[Any, ...]]:
    """Return the lists of a column, of whose values `flat` has all."""
    offsets = column.offsets.to_numpy().tolist()
    first = offsets[0]
    return [tuple(flat[start - first : end - first]) for start, end in pairwise(offsets)]
