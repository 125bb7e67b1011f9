"""Loads a split of a data set of the hub by `datasets`, and writes it as Parquet.

`hub_data` starts it as a process of its own: the libraries read their settings on import, and the
threads that they start stay out of the processes that train. No other module imports `datasets`.
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
from alambique.workers.hub_data_messages import LoadFailure, LoadReport, LoadRequest

_BATCH = 1000
"""Rows that are held in memory at once."""
_SUBSET = re.compile("Config name is missing|BuilderConfig ")
"""Begins errors of `datasets` of a subset, its config, that is not named or does not exist."""
_LINES = 2
"""Lines of a message of `datasets` that are kept: those after them show how to call it."""
_PARENT_DEATH = 1
"""PR_SET_PDEATHSIG of prctl(2): the signal of a process whose parent has died."""
_DESCRIPTIONS = ("README.md", ".huggingface.yaml")
"""Files in which a repository lists its subsets and their data files."""
_READER_BY_SUFFIX = {".parquet": "parquet", ".json": "json", ".jsonl": "json", ".csv": "csv"}
"""Names of the readers of `datasets`, by the suffix of a file."""
_READERS = frozenset({"parquet", "arrow", "csv", "json", "text", "conll"})
"""Names of the readers of `datasets` for texts and numbers."""


class UnusableData(ValueError):
    """Data that this program refuses; the message says what to do."""


def main() -> None:
    """Read a request from standard input, and write a report to standard output."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    request = LoadRequest(**json.load(sys.stdin))
    if os.getppid() != request.parent:  # the parent died before prctl
        return
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)  # prints of libraries must not get into the report
        out.write(json.dumps(asdict(_load_and_report(request))))
    os._exit(0)  # threads of `datasets` that prefetch abort a regular exit


def _load_and_report(request: LoadRequest) -> LoadReport:
    """Load what a request asks for, and return its report.

    Raises:
        Exception: this machine is to blame: it has no memory, or gives no permission.
    """
    try:
        load(request)
    except UnusableData as error:
        return LoadReport(failure=LoadFailure.BAD_DATA, message=str(error))
    except (DatasetNotFoundError, FileNotFoundError) as error:
        kind = LoadFailure.UNREACHABLE if _is_unreachable(error) else LoadFailure.UNKNOWN
        return LoadReport(failure=kind, message=_message_of(error))
    except HfHubHTTPError as error:
        # the hub answers 401 or 403, or 404 for a private repository, without the right token
        is_refused = error.response is not None and error.response.status_code in (401, 403, 404)
        kind = LoadFailure.UNKNOWN if is_refused else LoadFailure.UNREACHABLE
        return LoadReport(failure=kind, message=_message_of(error))
    except (httpx2.HTTPError, OfflineModeIsEnabled, ConnectionError) as error:
        return LoadReport(failure=LoadFailure.UNREACHABLE, message=_message_of(error))
    except Exception as error:
        if any(map(is_disk_full, _causes(error))):
            return LoadReport(failure=LoadFailure.DISK_FULL, message=_message_of(error))
        if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
            raise
        if _is_unreachable(error):
            return LoadReport(failure=LoadFailure.UNREACHABLE, message=_message_of(error))
        # the readers of files share no class of errors for broken files
        message = f"{_message_of(error)}: {_advice_on(error)}"
        return LoadReport(failure=LoadFailure.BAD_DATA, message=message)
    return LoadReport()


def load(request: LoadRequest) -> None:
    """Write the split that is asked for, or its first rows.

    The other splits are written with it, unless the request is for first rows or for it alone.
    """
    if request.path is None:
        _check_declared(request)
        check_files(request, datasets.load_dataset_builder(**_arguments(request)))
    if request.first is not None or request.alone:
        rows = _open(request, split=request.split, streaming=True)
        first = rows if request.first is None else rows.take(request.first)
        return _write(first, Path(request.out), request.split)
    splits = _open(request)
    if request.split not in splits:
        raise UnusableData(
            f"there is no split {request.split!r}, only {', '.join(map(repr, splits))}: say what "
            "they are called (data.splits), or split one (data.split)"
        )
    for split, rows in splits.items():
        _write(rows, Path(request.out), split)


def _open(request: LoadRequest, **options: Any) -> Any:
    """Return what `datasets.load_dataset` gives for a request, with further options of it."""
    if request.path is None:
        return datasets.load_dataset(**_arguments(request), **options)
    url = request.file or f"{_root(request)}{request.path}"
    field = {} if request.field is None else {"field": request.field}
    reader = _READER_BY_SUFFIX[Path(request.path).suffix]
    return datasets.load_dataset(reader, data_files={request.split: url}, **field, **options)


def _arguments(request: LoadRequest) -> dict[str, Any]:
    """Return the arguments that name the data set to `datasets`.

    A repository that lists no subsets, such as the hub's own Parquet copies, has a folder for each
    of them: there a subset is passed as a folder.
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
    """Return the subsets that the repository lists in its description files, unchecked."""
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
    """Refuse a description that names data outside of the repository, before it is opened."""
    for config in _read_declared(request):
        if not isinstance(config, dict):
            continue
        for path in _strings_in([config.get("data_files"), config.get("data_dir")]):
            steps = path.split("/")
            if urlsplit(path).scheme or "::" in path or path.startswith("/") or ".." in steps:
                raise UnusableData(
                    f"its README names {path!r} as data, which is no file of that repository: take "
                    "a copy whose files are its own"
                )


def _strings_in(content: Any) -> Iterator[str]:
    """Yield all strings in nested lists and mappings."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from _strings_in(value)


def _root(request: LoadRequest) -> str:
    """Return the URL that every file of the repository begins with."""
    return f"hf://datasets/{request.repository}@{request.revision}/"


def check_files(request: LoadRequest, builder: Any) -> None:
    """Refuse data files that are not in the repository at its commit, or not of texts and numbers.

    `datasets` keeps to the repository, but not to the commit.

    Raises:
        UnusableData: the data set is refused.
    """
    reader = type(builder).__module__.split(".")[2]
    if reader not in _READERS:
        raise UnusableData(
            f"its files are read by {reader!r}: expected files that are read by one of "
            f"{', '.join(sorted(_READERS))}; take a copy in one of these forms"
        )
    for files in (builder.config.data_files or {}).values():
        for file in files:
            if not str(file).startswith(_root(request)) or "::" in str(file):
                raise UnusableData(
                    f"its data would be {str(file)!r}, which is no file of that repository at that "
                    "commit: take a copy whose files are its own"
                )
    if request.subset is None and not _read_declared(request):
        _check_one_subset(request, builder)


def _check_one_subset(request: LoadRequest, builder: Any) -> None:
    """Refuse a split of files of one name in several folders: they look like subsets, mixed."""
    for files in (builder.config.data_files or {}).values():
        folders: dict[str, list[str]] = {}
        for file in files:
            folder, _, name = str(file).removeprefix(_root(request)).partition("/")
            folders.setdefault(name, []).append(folder)
        mixed = sorted(set(chain.from_iterable(each for each in folders.values() if len(each) > 1)))
        if mixed and "" not in folders:
            raise UnusableData(
                f"its folders {', '.join(mixed)} have files of the same names, as subsets have: "
                "name one (data.subset)"
            )


def _write(rows: Any, out: Path, split: str) -> None:
    """Write the rows of a split as Parquet, without columns that no task can read."""
    batches = rows.with_format("arrow").iter(batch_size=_BATCH)
    first = next(batches, None)
    features = rows.features
    if features is None:  # a format without types, such as CSV
        features = datasets.Features.from_arrow_schema(first.schema) if first else {}
    kept = datasets.Features({name: each for name, each in features.items() if _is_plain(each)})
    schema = kept.arrow_schema
    with parquet.ParquetWriter(out / f"{split}.parquet", schema) as file:
        for batch in chain([] if first is None else [first], batches):
            file.write_table(batch.select(schema.names).cast(schema))


def _is_plain(feature: Any) -> bool:
    """Return whether a feature holds texts, numbers, classes, or lists and groups of these.

    Audio and images need libraries to decode them, and no task reads them.
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
    """Return whether the hub did not answer, by the causes of an error.

    The error itself may be the one of a data set that does not exist.
    """
    kinds = (httpx2.TransportError, ConnectionError, OfflineModeIsEnabled, LocalEntryNotFoundError)
    return any(isinstance(cause, kinds) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and the chain of errors that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _message_of(error: BaseException) -> str:
    """Return the first lines of an error's message, of its cause where that says more."""
    errors: Iterable[BaseException] = [error]
    if isinstance(error, DatasetGenerationError):
        errors = chain([error.__cause__] if error.__cause__ else [], errors)
    lines = [line.strip() for each in errors for line in str(each).splitlines() if line.strip()]
    return " ".join(lines[:_LINES]).rstrip(".: ") or type(error).__name__


def _advice_on(error: BaseException) -> str:
    """Return what to do about data that a library cannot read."""
    if _SUBSET.match(str(error)):
        return "name a subset (data.subset)"
    return "check its files on the hub, or name a revision whose files can be read (data.hub)"


if __name__ == "__main__":
    main()
