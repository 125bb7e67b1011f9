"""Loads a split of a data set of the hub by `datasets` and writes it as Parquet.

A process of its own, started by `hub_data`: the libraries read their settings when they are
imported, and nothing that they start or leave behind is in a process that trains. It is the one
module that imports `datasets`.
"""

import ctypes
import json
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import datasets
import httpx2
import yaml
from datasets.config import HF_ENDPOINT
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
from huggingface_hub import HfFileSystem, hf_hub_download, metadata_load
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
)
from pyarrow import parquet

from alambique.spec.disk import is_disk_full
from alambique.workers.hub_data_messages import LoadReport, LoadRequest, Refusal

_BATCH = 1000
"""Rows that are in memory at once."""
_SUBSET = re.compile("Config name is missing|BuilderConfig ")
"""What `datasets` says where a subset, which it calls a config, is not named or not there."""
_LINES = 2
"""Of a message, that are told: what comes after them is usage."""
_PARENT_DEATH = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_DESCRIPTIONS = ("README.md", ".huggingface.yaml")
"""Files in which a repository says what its data is."""
_READ_BY = {".parquet": "parquet", ".json": "json", ".jsonl": "json", ".csv": "csv"}
"""What `datasets` calls that which reads a file, by how its name ends."""
_READERS = frozenset({"parquet", "arrow", "csv", "json", "text", "conll"})
"""What `datasets` calls the readers of texts and numbers."""


def main() -> None:
    """Reads a request from standard input, and writes a report to standard output."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    request = LoadRequest(**json.load(sys.stdin))
    if os.getppid() != request.parent:  # it was gone before that was asked for
        return
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)  # what libraries print is no report
        out.write(json.dumps(asdict(_load_and_report(request))))
    os._exit(0)  # threads that still read ahead would abort an end in order


def _load_and_report(request: LoadRequest) -> LoadReport:
    try:
        load(request)
    except (DatasetNotFoundError, FileNotFoundError) as error:
        kind = Refusal.UNREACHABLE if _is_unreachable(error) else Refusal.UNKNOWN
        return LoadReport(refusal=kind, message=_message_of(error))
    except HfHubHTTPError as error:
        # an answer of the hub that does not give it to this user
        is_refused = error.response is not None and error.response.status_code in (401, 403, 404)
        kind = Refusal.UNKNOWN if is_refused else Refusal.UNREACHABLE
        return LoadReport(refusal=kind, message=_message_of(error))
    except (httpx2.HTTPError, OfflineModeIsEnabled, ConnectionError) as error:
        return LoadReport(refusal=Refusal.UNREACHABLE, message=_message_of(error))
    except Exception as error:
        if any(map(is_disk_full, _causes(error))):
            return LoadReport(refusal=Refusal.NO_ROOM, message=_message_of(error))
        if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
            raise  # of this machine
        # what the many readers of files raise of those that are broken
        kind = Refusal.UNREACHABLE if _is_unreachable(error) else Refusal.BAD_DATA
        return LoadReport(refusal=kind, message=_message_of(error))
    return LoadReport()


def load(request: LoadRequest) -> None:
    """Write the split, or its first rows; of a whole one that is not alone all others too."""
    if request.path is None:
        _check_declared(request)
        check_files(request, datasets.load_dataset_builder(**_arguments(request)))
    if request.first is not None or request.alone:
        rows = _open(request, split=request.split, streaming=True)
        first = rows if request.first is None else rows.take(request.first)
        return _write(first, Path(request.out), request.split)
    every = _open(request)
    if request.split not in every:
        raise ValueError(
            f"there is no split {request.split!r}, only {', '.join(map(repr, every))}: say what "
            "they are called (data.splits), or split one (data.split)"
        )
    for split, rows in every.items():
        _write(rows, Path(request.out), split)


def _open(request: LoadRequest, **how: Any) -> Any:
    if request.path is None:
        return datasets.load_dataset(**_arguments(request), **how)
    at = f"{_root(request)}{request.path}"
    field = {} if request.field is None else {"field": request.field}
    reader = _READ_BY[Path(request.path).suffix]
    return datasets.load_dataset(reader, data_files={request.split: at}, **field, **how)


def _arguments(request: LoadRequest) -> dict[str, Any]:
    """Return the arguments by which the library knows the data set.

    A repository that says nothing of its files, as the hub's own copies in Parquet, has a folder
    for each subset: there a subset is that folder.
    """
    whole = {"path": request.repository, "revision": request.revision}
    if request.subset is None or _read_declared(request):
        return {**whole, "name": request.subset}
    files: Any = HfFileSystem(endpoint=HF_ENDPOINT)
    if files.isdir(f"datasets/{request.repository}@{request.revision}/{request.subset}"):
        return {**whole, "data_dir": request.subset}
    return {**whole, "name": request.subset}


@cache
def _read_declared(request: LoadRequest) -> tuple[Any, ...]:
    """Return the subsets that the repository describes in its README, each with its files."""
    subsets: list[Any] = []
    for name in _DESCRIPTIONS:
        try:
            path = Path(
                hf_hub_download(
                    request.repository, name, repo_type="dataset", revision=request.revision
                )
            )
        except RemoteEntryNotFoundError:
            continue
        is_card = name == "README.md"
        head = metadata_load(path) if is_card else yaml.safe_load(path.read_text("utf-8"))
        configs = head.get("configs") if isinstance(head, dict) else None
        subsets += configs if isinstance(configs, list) else []
    return tuple(subsets)


def _check_declared(request: LoadRequest) -> None:
    """Refuse files that are said to be data and lie elsewhere, before anybody looks there."""
    for config in _read_declared(request):
        if not isinstance(config, dict):
            continue
        for path in _texts_of([config.get("data_files"), config.get("data_dir")]):
            steps = path.split("/")
            if urlsplit(path).scheme or "::" in path or path.startswith("/") or ".." in steps:
                raise ValueError(
                    f"its README names {path!r} as data, which is no file of that repository: take "
                    "a copy whose files are its own"
                )


def _texts_of(content: Any) -> Iterator[str]:
    """Yield all texts in lists and mappings of them."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from _texts_of(value)


def _root(request: LoadRequest) -> str:
    return f"hf://datasets/{request.repository}@{request.revision}/"


def check_files(request: LoadRequest, builder: Any) -> None:
    """Refuse what a repository says is its data and is not in it.

    The library sees to the repository itself, and not to its commit.
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
                    f"its data would be {str(file)!r}, which is no file of that repository at that "
                    "commit: take a copy whose files are its own"
                )
    if request.subset is None and not _read_declared(request):
        _check_one_subset(request, builder)


def _check_one_subset(request: LoadRequest, builder: Any) -> None:
    """Refuse to mix subsets: folders with files of the same names in one split."""
    for files in (builder.config.data_files or {}).values():
        folders: dict[str, list[str]] = {}
        for file in files:
            folder, _, inside = str(file).removeprefix(_root(request)).partition("/")
            folders.setdefault(inside, []).append(folder)
        mixed = sorted(set(chain.from_iterable(each for each in folders.values() if len(each) > 1)))
        if mixed and "" not in folders:
            raise ValueError(
                f"its folders {', '.join(mixed)} have files of the same names, as subsets have: "
                "name one (data.subset)"
            )


def _write(rows: Any, out: Path, split: str) -> None:
    batches = rows.with_format("arrow").iter(batch_size=_BATCH)
    first = next(batches, None)
    features = rows.features
    if features is None:  # of files that do not say, such as CSV
        features = datasets.Features.from_arrow_schema(first.schema) if first else {}
    kept = datasets.Features({name: each for name, each in features.items() if _is_plain(each)})
    schema = kept.arrow_schema
    with parquet.ParquetWriter(out / f"{split}.parquet", schema) as file:
        for batch in chain([] if first is None else [first], batches):
            file.write_table(batch.select(schema.names).cast(schema))


def _is_plain(feature: Any) -> bool:
    """Return whether a feature holds texts, numbers, classes, or lists and groups of these.

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


def _is_unreachable(error: BaseException) -> bool:
    """Return whether an error came of a hub that does not answer.

    Of such a hub `datasets` says that it has no data set of that name.
    """
    kinds = (httpx2.TransportError, ConnectionError, OfflineModeIsEnabled, LocalEntryNotFoundError)
    return any(isinstance(cause, kinds) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _message_of(error: BaseException) -> str:
    """Return the beginning of the message that says most: of what broke, not of what was tried."""
    errors: Iterable[BaseException] = [error]
    if isinstance(error, DatasetGenerationError):
        errors = chain([error.__cause__] if error.__cause__ else [], errors)
    lines = [line.strip() for each in errors for line in str(each).splitlines() if line.strip()]
    message = " ".join(lines[:_LINES]).rstrip(".: ") or type(error).__name__
    return f"{message}: name a subset (data.subset)" if _SUBSET.match(str(error)) else message


if __name__ == "__main__":
    main()
