"""Splits of data sets of the hub, as Parquet files under the home, each loaded once."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import assert_never

from alambique.spec.data_sources import HubData
from alambique.spec.disk import file_lock
from alambique.spec.errors import BadData, LostWorker, NoData, NotEnoughDisk, Unreachable
from alambique.spec.excerpts import excerpt
from alambique.tasks.datasets import HubSplit
from alambique.tasks.reading import Fetch
from alambique.workers.hub_data_messages import LoadReport, LoadRequest, Refusal

_ERROR_TAIL = 4096
"""Bytes of the end of the process's output that an error quotes."""


_PASSED_ON = frozenset(
    (
        *("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "HOME", "TMPDIR", "XDG_CACHE_HOME"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"),
    )
)
_ASIDE = ".loading."
"""How the name of a folder begins whose files are not whole yet."""


def fetcher(home: Path, *, tell: Callable[[str], None], endpoint: str | None = None) -> Fetch:
    """Return what loads splits of data sets of the hub into `home`, each of them once.

    Args:
        home: the folder of this installation; what comes of the hub lies in its folders hub/, laid
            out by huggingface_hub, and datasets/.
        tell: is called with a line before a split is loaded, which may take long.
        endpoint: the URL of the hub; None: as the environment says.
    """
    return partial(_fetch, home=home, tell=tell, endpoint=endpoint)


def _fetch(
    source: HubSplit, *, home: Path, tell: Callable[[str], None], endpoint: str | None
) -> Path:
    folder = home / "datasets" / _folder_of(source)
    if file := _find_kept(folder, source):
        return file
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / ".lock"):
        if file := _find_kept(folder, source):  # of another job, which was waited for
            return file
        tell(f"loading {_name_of(source)} from the hub")
        for leftover in folder.glob(f"{_ASIDE}*"):  # by a process that was killed
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix=_ASIDE, dir=folder) as aside:
            return _load(source, folder, Path(aside), home, endpoint)


def _find_kept(folder: Path, source: HubSplit) -> Path | None:
    """Return the file of the whole split, or of the first rows alone that are asked for."""
    files = (folder / f"{source.split}.parquet", folder / _file_of(source))
    return next((file for file in files if file.is_file()), None)


def _load(source: HubSplit, folder: Path, aside: Path, home: Path, endpoint: str | None) -> Path:
    """Return the file of the split, moved from aside, where the process wrote it."""
    out = aside / "out"
    out.mkdir()
    request = LoadRequest(**asdict(source), parent=os.getpid(), out=str(out))
    report = _run(request, _environment(home, aside, endpoint))
    if report.refusal is not None:
        raise _error_of(source, report.refusal, report.message)
    path = folder / _file_of(source)
    if source.first is not None:
        path.parent.mkdir(exist_ok=True)
        return (out / path.name).replace(path)
    for made in out.iterdir():  # of all splits, which came together
        made.replace(folder / made.name)
    return path


def _folder_of(source: HubSplit) -> Path:
    """Return where the files of a data set lie: each subset, and each named file, by itself."""
    part = "default"
    for kind, name in (("subset", source.subset), ("file", source.path)):
        if name is not None:
            part = f"{kind}-{sha256(name.encode()).hexdigest()[:16]}"
    return Path(source.repository.replace("/", "--")) / source.revision / part


def _file_of(source: HubSplit) -> Path:
    """Return where the split's file is in the folder of its data set.

    Examples are named after their file: so the first rows have one of the same name as all.
    """
    first = "" if source.first is None else f"first-{source.first}"
    return Path(first) / f"{source.split}.parquet"


def _environment(home: Path, aside: Path, endpoint: str | None) -> dict[str, str]:
    """Return what the libraries read when they are imported.

    Of this process's variables those of the hub, of the network and of Python are passed on.
    """
    settings = {
        "HF_HUB_CACHE": str(home / "hub"),
        # the Arrow files that it makes on the way; what is kept is Parquet
        "HF_DATASETS_CACHE": str(aside / "cache"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "USE_TORCH": "0",
    }
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("HF_", "HUGGING", "SSL_CERT_")) or name.upper() in _PASSED_ON
    }
    return inherited | settings | ({"HF_ENDPOINT": endpoint} if endpoint else {})


def _run(request: LoadRequest, environment: dict[str, str]) -> LoadReport:
    command = [sys.executable, "-P", "-m", "alambique.workers.hub_data_process"]
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.run(
            command,
            input=json.dumps(asdict(request)).encode(),
            cwd=request.out,  # a folder here called as the repository would be taken for it
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            check=False,
        )
        stderr.seek(-min(stderr.seek(0, os.SEEK_END), _ERROR_TAIL), os.SEEK_END)
        output = stderr.read().decode(errors="replace")
    if process.returncode != 0:
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "no word")
        raise LostWorker(
            f"the process that loads {request.repository} of the hub ended with code "
            f"{process.returncode} ({excerpt(last, 300)}); a code below 0 is a signal, such as -9 "
            "where a machine has no memory left"
        )
    report = json.loads(process.stdout)
    refusal = report["refusal"] and Refusal(report["refusal"])
    return LoadReport(refusal=refusal, message=report["message"])


def _name_of(source: HubSplit) -> str:
    first = "" if source.first is None else f"the first {source.first:,} rows of "
    return f"{first}the {source.split} split of {HubData(source.repository, source.revision)}"


def _error_of(source: HubSplit, refusal: Refusal, message: str) -> Exception:
    data = _name_of(source)
    why = excerpt(message, 1000)
    match refusal:
        case Refusal.UNKNOWN:
            return NoData(
                f"{data} could not be had from the hub: {why}. Check id and revision, and "
                "HF_TOKEN if it is private or asks for one"
            )
        case Refusal.UNREACHABLE:
            return Unreachable(
                f"{data} could not be had from the hub: {why}. With no network, run the job "
                "once where there is one, and copy the folders hub/ and datasets/ of its "
                "ALAMBIQUE_HOME"
            )
        case Refusal.BAD_DATA:
            return BadData(f"{data} cannot be read: {why}")
        case Refusal.NO_ROOM:
            return NotEnoughDisk(
                f"the disk has no room for {data} ({why}): make room, or set ALAMBIQUE_HOME to a "
                "larger disk"
            )
        case _:
            assert_never(refusal)
