"""Putting a network's files where its version will point to."""

import hashlib
import json
from pathlib import Path
from typing import Any

import fsspec

from alambique.models.folders import TOKENIZER_FILES
from alambique.registry import versions
from alambique.registry.records import File, Version
from alambique.workers.pipeline.context import JobContext
from alambique.workers.scoring.predicting import ABOUT

_FILES = ("config.json", "model.safetensors", *TOKENIZER_FILES)


def store_files(
    context: JobContext, folder: Path, weights: str, about: dict[str, Any], artifact: str
) -> tuple[str, list[File]]:
    """The key under which a network's files lie in the artifacts, and the files.

    That is the key of a version that has the very same ones, where the project has such a version:
    jobs of a suite share their teacher, and would copy it as often as there are jobs. Else they are
    copied, and each is read back by size.

    Args:
        context: the job.
        folder: where the network lies.
        weights: the content hash of its weights.
        about: what the file beside it says, for whoever makes predictions with it.
        artifact: the key to copy them under.

    Raises:
        OSError: the store did not take a file.
    """
    text = json.dumps(about, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    paths = {name: folder / name for name in _FILES if (folder / name).exists()}
    files = [_described(name, path.read_bytes()) for name, path in paths.items()]
    files.append(_described(ABOUT, text.encode()))
    known = context.read(lambda session: versions.by_weights(session, context.job.project, weights))
    system, root = fsspec.core.url_to_fs(context.settings.artifact_root.rstrip("/"))
    if known is not None and set(known.files) == set(files) and _there(system, root, known):
        return known.artifact, files
    base = f"{root}/{artifact}"
    system.makedirs(base, exist_ok=True)
    for name, path in paths.items():
        _copy(system, base, name, path.read_bytes())
    _copy(system, base, ABOUT, text.encode())
    return artifact, files


def _there(system: Any, root: str, version: Version) -> bool:
    """Whether the files of a version lie under this root: it may be another one by now."""
    paths = {f"{root}/{version.artifact}/{file.name}": file.size for file in version.files}
    return all(system.exists(path) and system.size(path) == paths[path] for path in paths)


def _described(name: str, content: bytes) -> File:
    return File(name, hashlib.sha256(content).hexdigest(), len(content))


def _copy(system: Any, base: str, name: str, content: bytes) -> None:
    path, unfinished = f"{base}/{name}", f"{base}/.{name}.unfinished"
    with system.open(unfinished, "wb") as out:
        out.write(content)
    system.mv(unfinished, path)
    if system.size(path) != len(content):
        raise OSError(f"{path}: wrote {len(content)} bytes, found {system.size(path)}")
