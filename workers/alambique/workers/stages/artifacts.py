"""The files of a version in the artifacts: stored there, and fetched to this machine."""

import hashlib
import json
from pathlib import Path
from typing import Any

import fsspec

from alambique.models.weights import TOKENIZER_FILES
from alambique.registry import versions
from alambique.registry.records import File, Version
from alambique.runtime.about import ABOUT
from alambique.runtime.engines import ONNX_FILE, OPENVINO_FILE, OPENVINO_WEIGHTS
from alambique.spec.errors import BadModel
from alambique.spec.settings import Settings
from alambique.workers.files import build_folder
from alambique.workers.pipeline.context import JobContext

_FILES = (
    *("config.json", "model.safetensors", ONNX_FILE, OPENVINO_FILE, OPENVINO_WEIGHTS),
    *TOKENIZER_FILES,
)


def store_files(
    context: JobContext, folder: Path, weights: str, about: dict[str, Any], artifact: str
) -> tuple[str, list[File]]:
    """Return the key under which a network's files lie in the artifacts, and the files.

    That is the key of a version that has the very same ones, where the project has such a version:
    jobs of a suite share their teacher, and would copy it as often as there are jobs. Else they are
    copied, and the size of each copy is checked.

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
    files = [_file_record(name, path.read_bytes()) for name, path in paths.items()]
    files.append(_file_record(ABOUT, text.encode()))
    known = context.read(lambda session: versions.by_weights(session, context.job.project, weights))
    system, root = fsspec.core.url_to_fs(context.settings.artifact_root.rstrip("/"))
    if known is not None and set(known.files) == set(files) and _are_stored(system, root, known):
        return known.artifact, files
    base = f"{root}/{artifact}"
    system.makedirs(base, exist_ok=True)
    for name, path in paths.items():
        _copy(system, base, name, path.read_bytes())
    _copy(system, base, ABOUT, text.encode())
    return artifact, files


def fetch_model(settings: Settings, version: Version) -> Path:
    """Return the folder of a version's files on this machine, fetched where it is not there.

    Raises:
        BadModel: a file has another hash than the one that it was registered with.
    """
    folder = settings.home.absolute() / "downloads" / str(version.id)
    return build_folder(folder, lambda into: _fetch_files(settings, version, into))


def _fetch_files(settings: Settings, version: Version, into: Path) -> None:
    root = f"{settings.artifact_root.rstrip('/')}/{version.artifact}"
    system, base = fsspec.core.url_to_fs(root)
    for file in version.files:
        content: bytes = system.cat_file(f"{base}/{file.name}")
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise BadModel(
                f"{version.name}@{version.number}: {file.name} in the artifacts is not what was "
                "registered (sha256 differs): restore it from a backup, or train the model again"
            )
        (into / file.name).write_bytes(content)


def _are_stored(system: Any, root: str, version: Version) -> bool:
    """Return whether the files of a version lie under this root: it may be another one by now."""
    paths = {f"{root}/{version.artifact}/{file.name}": file.size for file in version.files}
    return all(system.exists(path) and system.size(path) == paths[path] for path in paths)


def _file_record(name: str, content: bytes) -> File:
    return File(name, hashlib.sha256(content).hexdigest(), len(content))


def _copy(system: Any, base: str, name: str, content: bytes) -> None:
    path, unfinished = f"{base}/{name}", f"{base}/.{name}.unfinished"
    with system.open(unfinished, "wb") as out:
        out.write(content)
    system.mv(unfinished, path)
    if system.size(path) != len(content):
        raise OSError(
            f"{path}: wrote {len(content)} bytes, found {system.size(path)}: see whether the store "
            "of artifacts has room, and post the job again"
        )
