"""Files and folders that are there whole or not at all, also after a kill at any instant."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write a file; a reader sees what was there before, or all of it."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent, text=True)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())  # or a power cut leaves the name, and nothing in it
    Path(name).replace(path)


def sync(folder: Path) -> None:
    """Put all files below a folder onto the disk, before the registry names them."""
    for path in (*folder.rglob("*"), folder):
        if path.is_symlink():
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def build_folder(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Return the folder, made by `fill` where it is not there.

    Others may be making it at the same time: who is first is kept.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name[:32]}.", dir=folder.parent) as into:
        unfinished = Path(into) / folder.name
        unfinished.mkdir()
        fill(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Put what `write` makes in the place of a folder.

    Only its writer may read it meanwhile: for an instant neither the old nor the new one is there.
    """
    unfinished, old = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    for leftover in (unfinished, old):
        shutil.rmtree(leftover, ignore_errors=True)
    write(unfinished)
    if folder.exists():
        folder.rename(old)
    unfinished.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
