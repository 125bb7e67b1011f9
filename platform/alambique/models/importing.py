"""Models of the hub whose files cannot be used as they are: made into safetensors, once a commit.

What is pickled is read in a process of its own (`import_process`), which has no credentials and as
few rights as the kernel lets it have. What comes of it lies beside a record of what it was made of.
"""

import errno
import hashlib
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from alambique.models.import_messages import DISK_FULL, REPORT, ImportReport, ImportRequest
from alambique.models.layouts import CONFIG, TOKENIZER, Layout
from alambique.spec.disk import file_lock
from alambique.spec.errors import BadModel, NotEnoughDisk
from alambique.spec.excerpts import excerpt, named

_VERSION = 2
"""Raised when the same files come to be imported as something else."""
_RECORD = "import.json"

_LIBRARY_BYTES = 8 << 30
"""Bytes of address space that torch and transformers map before they read anything."""
_COPIES = 4
"""Times the pickles' bytes that are in memory at once, with room to spare."""
_SECONDS = 300
"""Seconds of processor time for the libraries, and for a tokenizer of 250 000 pieces."""
_BYTES_A_SECOND = 10_000_000
"""Far below what reading and writing takes on the slowest machine."""
_SMALL_FILE = 128 << 20
"""Bytes that a tokenizer.json may have whatever it is made of."""
_LAST_WORDS = 4096
"""Bytes of the end of what the process says in an error."""
_LARGEST_REPORT = 1 << 20
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    # each thread takes address space, which is bounded
    "OMP_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG")


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A folder that was made of a repository's files, and how."""

    folder: Path
    sources: Mapping[str, str]
    """The sha256 of each file that it was made of, by its name in the repository."""
    notes: tuple[str, ...]
    """What the job's log says of it."""


def import_model(snapshot: Path, layout: Layout, model_type: str, folder: Path) -> ImportedModel:
    """Return the folder made of a snapshot, which is made where it is not there, or damaged.

    It is written aside and renamed, so that a process that ends half-way leaves none that counts;
    who wants the same at the same time waits for it.

    Args:
        snapshot: the files that the layout names, as they came.
        layout: which of them are what.
        model_type: what its config.json says.
        folder: where it is kept, in a folder of that repository and commit alone.

    Raises:
        BadModel: a pickle asks for more than tensors, a file is broken, or reading it takes more
            memory or time than files of their size may.
        NotEnoughDisk: there is no room for what would be made.
    """
    if imported := _find_imported(folder, layout):
        return imported
    folder.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(folder.with_name(f"{folder.name}.lock")):
        if imported := _find_imported(folder, layout):  # of another job, which was waited for
            return imported
        for left in folder.parent.glob(f"{folder.name}.*/"):  # by a process that was killed
            shutil.rmtree(left)
        return _import_aside(snapshot, layout, model_type, folder)


def _import_aside(snapshot: Path, layout: Layout, model_type: str, folder: Path) -> ImportedModel:
    _check_room(snapshot, layout, folder.parent)
    aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        report = _run(_request(snapshot, layout, model_type, aside))
        if report.refused:
            raise BadModel(excerpt(str(report.refused), 2000))
        _copy(snapshot, aside, layout)
        _write_record(snapshot, aside, layout, report)
        if folder.exists():  # one that is damaged, or of an older program
            shutil.rmtree(folder)
        aside.rename(folder)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise NotEnoughDisk(_disk_full_message(folder.parent)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    imported = _find_imported(folder, layout)
    assert imported is not None
    return imported


def _check_room(snapshot: Path, layout: Layout, where: Path) -> None:
    """Refuse to begin where the disk has no room for the weights, of which some may be tied."""
    needed = 2 * sum((snapshot / name).stat().st_size for name in layout.weights)
    free = shutil.disk_usage(where).free
    if free < needed:
        raise NotEnoughDisk(
            f"{_disk_full_message(where)}: it has {free:,} bytes, {needed:,} are needed"
        )


def _disk_full_message(where: Path) -> str:
    return f"the disk of {where} has no room for an imported model; make room there"


def _request(snapshot: Path, layout: Layout, model_type: str, out: Path) -> ImportRequest:
    pickles = [
        snapshot / name for name in layout.weights if layout.pickled and name.endswith(".bin")
    ]
    size = sum(path.stat().st_size for path in pickles)
    return ImportRequest(
        weights=[str(path) for path in pickles],
        tokenizer=str(snapshot) if layout.needs_conversion else None,
        model_type=model_type,
        out=str(out),
        memory=_LIBRARY_BYTES + _COPIES * size,
        seconds=_SECONDS + size // _BYTES_A_SECOND,
        # tensors that share their memory are written one by one
        largest_file=_SMALL_FILE + 2 * size,
    )


def _run(request: ImportRequest) -> ImportReport:
    """Run the import process, whose environment holds nothing worth taking; return its report."""
    variables = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    command = [sys.executable, "-P", "-m", "alambique.models.import_process"]
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
        stdin.write(json.dumps(asdict(request)).encode())
        stdin.seek(0)
        process = subprocess.Popen(
            command,
            env=variables | _ENVIRONMENT | {"HOME": request.out},
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            _wait_for(process, seconds=4 * request.seconds)  # one that sleeps uses no processor
        finally:
            code = _end(process)
        stderr.seek(-min(stderr.seek(0, os.SEEK_END), _LAST_WORDS), os.SEEK_END)
        last_words = stderr.read(_LAST_WORDS).decode(errors="replace")
    if code == DISK_FULL:
        raise NotEnoughDisk(_disk_full_message(Path(request.out).parent))
    if code != 0:
        raise BadModel(_exit_message(code, last_words, request))
    _check_regular(Path(request.out))
    return _read_report(Path(request.out) / REPORT)


def _wait_for(process: "subprocess.Popen[bytes]", *, seconds: int) -> None:
    """Wait for the end of a process without taking its exit code.

    Until that is taken, no other process or group of processes can get its number.
    """
    descriptor = os.pidfd_open(process.pid)
    try:
        ends = select.poll()
        ends.register(descriptor, select.POLLIN)
        if not ends.poll(1000 * seconds):
            raise BadModel(
                f"the files were not read in {seconds} s, which is more than any of their "
                "size take: try again where the machine has less to do, or give a revision with "
                "safetensors"
            )
    finally:
        os.close(descriptor)


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Kill what is left of a process and of all that it started, and return its exit code."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _check_regular(out: Path) -> None:
    """Refuse what is no file of its own: a link would be followed to whatever it names."""
    for path in out.iterdir():
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BadModel(
                f"the process that reads the files left {excerpt(path.name, 100)!r}, which is no "
                "file: what it read was made to do that"
            )


def _read_report(path: Path) -> ImportReport:
    """Read the report of the process and remove it; nothing but its words is believed."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_REPORT + 1)
        if len(content) > _LARGEST_REPORT:
            raise ValueError(f"more than {_LARGEST_REPORT:,} bytes")
        report = ImportReport(**json.loads(content.decode(errors="replace")))
        words = [*report.isolation, *report.renamed, *report.dropped, *report.assumed]
        if not all(isinstance(word, str) for word in words):
            raise TypeError("not all of it is text")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BadModel(
            f"the process that reads the files left no report that can be read ({error})"
        ) from error
    path.unlink()
    return report


def _exit_message(code: int, stderr: str, request: ImportRequest) -> str:
    """Return what to say of a process that came to no report."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return (
            f"the process that reads the files was killed: it may take {request.seconds} s of the "
            f"processor and {request.memory:,} bytes of memory. Give a revision with safetensors "
            "and tokenizer.json, or try again on a machine with more memory"
        )
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "no word")
    return f"the process that reads the files ended with code {code}: {excerpt(last, 300)}"


def _copy(snapshot: Path, aside: Path, layout: Layout) -> None:
    """Put what needs no import beside what was imported."""
    names = [CONFIG]
    if not layout.pickled:
        names += layout.weights
    if not layout.needs_conversion:  # else what goes with it was written with it
        names += [TOKENIZER, *layout.beside]
    for name in names:
        shutil.copyfile(snapshot / name, aside / name)


def _write_record(snapshot: Path, aside: Path, layout: Layout, report: ImportReport) -> None:
    content = {
        "version": _VERSION,
        "libraries": _libraries(layout),
        "sources": _hashes(snapshot, layout.files),
        "written": _hashes(aside, sorted(path.name for path in aside.iterdir() if path.is_file())),
        "notes": _notes(layout, report),
    }
    (aside / _RECORD).write_text(json.dumps(content, indent=1))


def _notes(layout: Layout, report: ImportReport) -> list[str]:
    isolation = ", ".join(report.isolation)
    libraries = ", ".join(f"{name} {version}" for name, version in _libraries(layout).items())
    notes = [f"imported {', '.join(layout.imported)} by {libraries} in a process with {isolation}"]
    for what, names in (
        ("renamed, as layer norms are called today", report.renamed),
        ("left out, as numbers that are no weights", report.dropped),
    ):
        if names:
            notes.append(f"{len(names)} entries {what}, such as {excerpt(names[0], 100)}")
    if report.assumed:
        notes.append(f"assumed, as the tokenizer's files do not say: {named(report.assumed)}")
    return notes


def _libraries(layout: Layout) -> dict[str, str]:
    """Return the versions of torch and of the libraries that convert a tokenizer."""
    converting = ("transformers", "tokenizers") if layout.needs_conversion else ()
    return {name: version(name) for name in ("torch", *converting)}


def _find_imported(folder: Path, layout: Layout) -> ImportedModel | None:
    """Return the model of a folder; None if it is not there, damaged, or of other libraries."""
    record = folder / _RECORD
    if not record.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(record.read_text())
        if content["version"] != _VERSION:
            return None
        today = _libraries(layout)
        if any(content["libraries"][name] != today[name] for name in today if name != "torch"):
            return None
        written: dict[str, str] = content["written"]
        if not all((folder / name).is_file() for name in written):
            return None
        if _hashes(folder, written) != written:
            return None
        return ImportedModel(folder, dict(content["sources"]), tuple(content["notes"]))
    except (ValueError, KeyError, TypeError, AttributeError):  # a record that is damaged
        return None


def _hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    hashes = {}
    for name in names:
        with (folder / name).open("rb") as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes
