"""Loads splits of data sets of the hub as Parquet files under the home, each of them once."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import assert_never

from alambique.spec.data_sources import HubData
from alambique.spec.disk import file_lock
from alambique.spec.errors import BadData, LostWorker, NoData, NotEnoughDisk, Unreachable
from alambique.spec.excerpts import excerpt
from alambique.tasks.datasets import HubSplit
from alambique.workers.hub_data_messages import LoadFailure, LoadReport, LoadRequest

_ERROR_TAIL = 4096
"""Bytes of the end of the loading process's output, of which an error quotes the last line."""
_INHERITED = frozenset(
    (
        *("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "HOME", "TMPDIR", "XDG_CACHE_HOME"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"),
    )
)
"""Environment variables that the loading process inherits, besides those of the hub."""
_PARTIAL = ".loading."
"""Prefix of the folders that hold incomplete files."""


@dataclass(frozen=True, slots=True)
class HubFetcher:
    """Fetches splits of data sets of the hub into the home of this installation."""

    home: Path
    """Holds hub/, laid out by huggingface_hub, and datasets/, with the Parquet files."""
    log: Callable[[str], None]
    """Called with a line of the log before a split is loaded, which may take long."""
    endpoint: str | None = None
    """The URL of the hub; None: the one that the environment names."""
    caches: tuple[Path, ...] | None = None
    """Folders laid out by huggingface_hub whose files are read in the place of the hub's, which is
    not asked then. None: the hub is asked."""

    def fetch(self, source: HubSplit) -> Path:
        """Return the Parquet file of a split, loaded from the hub if it is not in the home yet.

        Raises:
            NoData: the hub has no such data set or file, or does not give it to this user; or it
                is not asked, and the file is not on this machine.
            Unreachable: the hub does not answer.
            BadData: the data cannot be read.
            NotEnoughDisk: the disk is full.
            LostWorker: the process that loads the split ended without a report.
        """
        folder = self.home / "datasets" / _relative_folder(source)
        if file := _find_file(folder, source):
            return file
        folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder / ".lock"):
            if file := _find_file(folder, source):  # loaded by the job that held the lock
                return file
            where = "the hub" if self.caches is None else "the hub's files on this machine"
            self.log(f"loading {_describe(source)} from {where}")
            for leftover in folder.glob(f"{_PARTIAL}*"):  # by a process that was killed
                shutil.rmtree(leftover)
            with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder) as temporary:
                return self._load(source, folder, Path(temporary))

    def _load(self, source: HubSplit, folder: Path, temporary: Path) -> Path:
        """Have a process write the split to a temporary folder, and move its files from there."""
        out = temporary / "out"
        out.mkdir()
        cached = None if self.caches is None else str(_cached_file(source, self.caches))
        request = LoadRequest(**asdict(source), parent=os.getpid(), out=str(out), file=cached)
        offline = {} if cached is None else {"HF_HUB_OFFLINE": "1"}
        report = _run_process(request, self._environment(temporary) | offline)
        if report.failure is not None:
            raise _load_error(source, report.failure, report.message)
        path = folder / _relative_file(source)
        if source.first is not None:
            path.parent.mkdir(exist_ok=True)
            return (out / path.name).replace(path)
        for file in out.iterdir():  # a whole data set comes with all its splits
            file.replace(folder / file.name)
        return path

    def _environment(self, temporary: Path) -> dict[str, str]:
        """Return the environment of the loading process, whose libraries read it on import."""
        settings = {
            "HF_HUB_CACHE": str(self.home / "hub"),
            # for Arrow files, which `datasets` writes on its way to Parquet
            "HF_DATASETS_CACHE": str(temporary / "cache"),
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "USE_TORCH": "0",
        }
        # not all variables: secrets of this process are none of the libraries' business
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("HF_", "HUGGING", "SSL_CERT_")) or name.upper() in _INHERITED
        }
        return inherited | settings | ({"HF_ENDPOINT": self.endpoint} if self.endpoint else {})


def _find_file(folder: Path, source: HubSplit) -> Path | None:
    """Return the file of the whole split, else that of its first rows if these are enough."""
    files = (folder / f"{source.split}.parquet", folder / _relative_file(source))
    return next((file for file in files if file.is_file()), None)


def _cached_file(source: HubSplit, caches: Sequence[Path]) -> Path:
    """Return the file of a split that huggingface_hub has on this machine, at that commit.

    Raises:
        NoData: it is in none of the folders; the message has the command that brings it.
    """
    if source.path is None:
        raise NoData(
            f"{_describe(source)} is not on this machine: run the job that reads it once where "
            "there is a network, with the same ALAMBIQUE_HOME"
        )
    # imported here: posting a job imports this module, and need not wait for the hub's client
    from huggingface_hub import try_to_load_from_cache

    for cache in caches:
        found = try_to_load_from_cache(
            source.repository, source.path, cache, source.revision, repo_type="dataset"
        )
        if isinstance(found, str):
            return Path(found)
    raise NoData(
        f"{_describe(source)} is not on this machine: fetch it with `hf download --repo-type "
        f"dataset {source.repository} {source.path} --revision {source.revision}`"
    )


def _relative_folder(source: HubSplit) -> Path:
    """Return the folder of a data set's files: each subset, and each named file, has its own."""
    part = "default"
    for kind, name in (("subset", source.subset), ("file", source.path)):
        if name is not None:
            part = f"{kind}-{sha256(name.encode()).hexdigest()[:16]}"
    return Path(source.repository.replace("/", "--")) / source.revision / part


def _relative_file(source: HubSplit) -> Path:
    """Return the path of a split's file within the folder of its data set.

    A file of first rows has the name of the whole split's file, since examples are named after it.
    """
    first = "" if source.first is None else f"first-{source.first}"
    return Path(first) / f"{source.split}.parquet"


def _run_process(request: LoadRequest, environment: dict[str, str]) -> LoadReport:
    """Run `hub_data_process` on a request, and return its report."""
    command = [sys.executable, "-P", "-m", "alambique.workers.hub_data_process"]
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.run(
            command,
            input=json.dumps(asdict(request)).encode(),
            # `datasets` would prefer a folder named like the repository in the current folder
            cwd=request.out,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            check=False,
        )
        stderr.seek(-min(stderr.seek(0, os.SEEK_END), _ERROR_TAIL), os.SEEK_END)
        output = stderr.read().decode(errors="replace")
    if process.returncode != 0:
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "no output")
        raise LostWorker(
            f"the process that loads {request.repository} of the hub ended with code "
            f"{process.returncode} ({excerpt(last, 300)}); a code below 0 is a signal, such as -9 "
            "where a machine has no memory left"
        )
    report = json.loads(process.stdout)
    failure = report["failure"] and LoadFailure(report["failure"])
    return LoadReport(failure=failure, message=report["message"])


def _describe(source: HubSplit) -> str:
    """Return the split in words: "the train split of team/reviews@1a2b3c4"."""
    first = "" if source.first is None else f"the first {source.first:,} rows of "
    return f"{first}the {source.split} split of {HubData(source.repository, source.revision)}"


def _load_error(source: HubSplit, failure: LoadFailure, message: str) -> Exception:
    """Return the error of a split that could not be loaded."""
    data = _describe(source)
    why = excerpt(message, 1000)
    match failure:
        case LoadFailure.UNKNOWN:
            return NoData(
                f"{data} could not be loaded from the hub: {why}. Check id and revision, and "
                "HF_TOKEN if it is private or asks for one"
            )
        case LoadFailure.UNREACHABLE:
            return Unreachable(
                f"{data} could not be loaded from the hub: {why}. Without a network, run the job "
                "once where there is one, and copy the folders hub/ and datasets/ of its "
                "ALAMBIQUE_HOME"
            )
        case LoadFailure.BAD_DATA:
            return BadData(f"{data} cannot be read: {why}")
        case LoadFailure.DISK_FULL:
            return NotEnoughDisk(
                f"the disk has no room for {data} ({why}): make room, or set ALAMBIQUE_HOME to a "
                "larger disk"
            )
        case _:
            assert_never(failure)
