"""Putting a network's files where its version will point to."""

import hashlib
import json
from pathlib import Path
from typing import Any

import fsspec

from alambique.models.folders import TOKENIZER_FILES
from alambique.registry.records import File
from alambique.workers.predicting import ABOUT
from alambique.workers.work import Work

_FILES = ("config.json", "model.safetensors", *TOKENIZER_FILES)


def uploaded(work: Work, folder: Path, about: dict[str, Any], artifact: str) -> list[File]:
    """A network's files, copied to the artifacts under that key; each is read back by size.

    Args:
        work: the job.
        folder: where the network lies.
        about: what the file beside it says, for whoever makes predictions with it.
        artifact: the key.

    Raises:
        OSError: the store did not take a file.
    """
    root = work.settings.artifact_root
    system, base = fsspec.core.url_to_fs(f"{root.rstrip('/')}/{artifact}")
    system.makedirs(base, exist_ok=True)
    files = [
        _copied(system, base, name, (folder / name).read_bytes())
        for name in _FILES
        if (folder / name).exists()
    ]
    text = json.dumps(about, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    return [*files, _copied(system, base, ABOUT, text.encode())]


def _copied(system: Any, base: str, name: str, content: bytes) -> File:
    path, unfinished = f"{base}/{name}", f"{base}/.{name}.unfinished"
    with system.open(unfinished, "wb") as out:
        out.write(content)
    system.mv(unfinished, path)
    if system.size(path) != len(content):
        raise OSError(f"{path}: wrote {len(content)} bytes, found {system.size(path)}")
    return File(name, hashlib.sha256(content).hexdigest(), len(content))
