"""Loads a split of a data set of the hub by `datasets` and writes it as Parquet.

A process of its own, started by `hub_data`: the libraries read their settings when they are
imported, and nothing that they start or leave behind is in a process that trains. It is the one
module that imports `datasets`.
"""

import ctypes
import errno
import json
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import datasets
import httpx2
import pyarrow
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from pyarrow import parquet

from alambique.workers.hub_data_messages import LoadReport, LoadRequest, Refusal

_BATCH = 1000
"""Rows that are in memory at once."""
_SUBSET = re.compile("Config name is missing|BuilderConfig ")
"""What `datasets` says where a subset, which it calls a config, is not named or not there."""
_LINES = 2
"""Of a message, that are told: what comes after them is usage."""
_PARENT_DEATH = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_READ_BY = {".parquet": "parquet", ".json": "json", ".jsonl": "json", ".csv": "csv"}
"""What `datasets` calls that which reads a file, by how its name ends."""
_READERS = frozenset({"parquet", "arrow", "csv", "json", "text", "conll"})
"""What `datasets` calls the readers of texts and numbers."""
_DATA_ERRORS = (
    DatasetGenerationError,
    pyarrow.ArrowException,
    ValueError,
    RuntimeError,
    TypeError,
    KeyError,
)
"""What `datasets` raises of what it cannot read: of files, and of names of subsets and splits."""


def main() -> None:
    """Reads a request from standard input, and writes a report to standard output."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    request = LoadRequest(**json.load(sys.stdin))
    if os.getppid() != request.parent:  # it was gone before that was asked for
        return
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no report
    print(json.dumps(asdict(_report(request))), file=out, flush=True)
    os._exit(0)  # threads that still read ahead would abort an end in order


def _report(request: LoadRequest) -> LoadReport:
    try:
        load(request)
    except (DatasetNotFoundError, FileNotFoundError) as error:
        kind = Refusal.UNREACHABLE if _is_away(error) else Refusal.UNKNOWN
        return LoadReport(refusal=kind, message=_said(error))
    except HfHubHTTPError as error:
        kind = Refusal.UNKNOWN if _is_refused(error) else Refusal.UNREACHABLE
        return LoadReport(refusal=kind, message=_said(error))
    except (httpx2.HTTPError, OfflineModeIsEnabled, ConnectionError) as error:
        return LoadReport(refusal=Refusal.UNREACHABLE, message=_said(error))
    except OSError as error:
        if _is_full(error):
            return LoadReport(refusal=Refusal.NO_ROOM, message=_said(error))
        if error.errno is not None:
            raise
        # what pyarrow says of files that are broken within
        return LoadReport(refusal=Refusal.BAD_DATA, message=_said(error))
    except _DATA_ERRORS as error:
        kind = Refusal.UNREACHABLE if _is_away(error) else Refusal.BAD_DATA
        return LoadReport(
            refusal=Refusal.NO_ROOM if _is_full(error) else kind, message=_said(error)
        )
    return LoadReport()


def load(request: LoadRequest) -> None:
    """Write the split, or its first rows; of a whole one also those that came with it."""
    if request.first is not None:
        rows = _loaded(request, split=request.split, streaming=True)
        return _write(rows.take(request.first), Path(request.out), request.split)
    every = _loaded(request)
    if request.split not in every:
        raise ValueError(
            f"there is no split {request.split!r}, only {', '.join(map(repr, every))}: say what "
            "they are called (data.splits), or split one (data.split)"
        )
    for split, rows in every.items():
        _write(rows, Path(request.out), split)


def _loaded(request: LoadRequest, **how: Any) -> Any:
    if request.path is None:
        named = {"path": request.repository, "name": request.subset, "revision": request.revision}
        _check_files(request, datasets.load_dataset_builder(**named))
        return datasets.load_dataset(**named, **how)
    at = f"{_root(request)}{request.path}"
    field = {} if request.field is None else {"field": request.field}
    reader = _READ_BY[Path(request.path).suffix]
    return datasets.load_dataset(reader, data_files={request.split: at}, **field, **how)


def _root(request: LoadRequest) -> str:
    return f"hf://datasets/{request.repository}@{request.revision}/"


def _check_files(request: LoadRequest, builder: Any) -> None:
    """Refuse what a repository says is its data and is not in it.

    Its README may name any file of this machine, any address and any other repository, and the
    library would read that with this user's rights and token.
    """
    reader = type(builder).__module__.split(".")[2]
    if reader not in _READERS:
        raise ValueError(
            f"its files are read by {reader!r}: expected files that are read by one of "
            f"{', '.join(sorted(_READERS))}"
        )
    for files in (builder.config.data_files or {}).values():
        for file in files:
            if not str(file).startswith(_root(request)) or "::" in str(file):
                raise ValueError(
                    f"its README names {str(file)!r} as data, which is no file of that repository "
                    "at that commit: take a copy whose files are its own"
                )


def _write(rows: Any, out: Path, split: str) -> None:
    features = rows.features if rows.features is not None else rows._resolve_features().features
    kept = datasets.Features({name: one for name, one in features.items() if _is_plain(one)})
    batches = rows.select_columns(list(kept)).with_format("arrow").iter(batch_size=_BATCH)
    schema = kept.arrow_schema
    with parquet.ParquetWriter(out / f"{split}.parquet", schema) as file:
        for batch in batches:
            file.write_table(batch.select(schema.names).cast(schema))


def _is_plain(feature: Any) -> bool:
    """Whether it holds texts, numbers, classes, or lists and groups of these.

    Sounds and pictures take libraries of their own, and no task reads them.
    """
    if isinstance(feature, datasets.Value):
        return "binary" not in feature.dtype
    if isinstance(feature, datasets.ClassLabel):
        return True
    if isinstance(feature, dict):
        return all(map(_is_plain, feature.values()))
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    return inner is not None and _is_plain(inner)


def _is_away(error: BaseException) -> bool:
    """Whether it came of a hub that does not answer, of which `datasets` says that it has none."""
    away = (httpx2.TransportError, ConnectionError, OfflineModeIsEnabled, LocalEntryNotFoundError)
    return any(isinstance(one, away) for one in _causes(error))


def _is_refused(error: HfHubHTTPError) -> bool:
    """Whether the hub has answered, and does not give it to this user."""
    return error.response is not None and error.response.status_code in (401, 403, 404)


def _is_full(error: BaseException) -> bool:
    return any(getattr(one, "errno", None) == errno.ENOSPC for one in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _said(error: BaseException) -> str:
    """The beginning of the message that says most: of what broke, not of what was done then."""
    told: Iterable[BaseException] = [error]
    if isinstance(error, DatasetGenerationError):
        told = chain([error.__cause__] if error.__cause__ else [], told)
    lines = [line.strip() for one in told for line in str(one).splitlines() if line.strip()]
    found = " ".join(lines[:_LINES]).rstrip(".: ") or type(error).__name__
    return f"{found}: name a subset (data.subset)" if _SUBSET.match(str(error)) else found


if __name__ == "__main__":
    main()
