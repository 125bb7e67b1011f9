"""A version's files on this machine: whole and as they were registered, or not at all."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from alambique.api.views import FileView, VersionView
from alambique.spec.errors import BadModel, Conflict

OpenFile = Callable[[str], AbstractContextManager[Iterable[bytes]]]


def save(version: VersionView, folder: Path, open_file: OpenFile) -> None:
    """Put every file of `version` into `folder`, which appears once all of them are right.

    Args:
        version: what to save.
        folder: where; it may be there when it is empty.
        open_file: from a file's name to its bytes, piece by piece.

    Raises:
        BadModel: a file is not the one that was registered.
        Conflict: the folder is there and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} is there already and not empty: name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        whole = Path(temporary) / "whole"
        whole.mkdir()
        for file in version.files:
            with open_file(file.name) as pieces:
                _save_file(file, _file_path(whole, file.name), pieces)
        if folder.exists():
            folder.rmdir()
        os.replace(whole, folder)


def _file_path(folder: Path, name: str) -> Path:
    """Return the place of a file in `folder`; a server that names one elsewhere is not obeyed."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute():
        raise BadModel(
            f"the server names a file {name!r}, which lies outside of the model's folder: "
            "nothing was saved; ask whoever runs that server"
        )
    return folder.joinpath(*parts)


def _save_file(file: FileView, path: Path, pieces: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as written:
        for piece in pieces:
            size += len(piece)
            if size > file.size:
                break
            digest.update(piece)
            written.write(piece)
    if size != file.size or digest.hexdigest() != file.sha256:
        raise BadModel(
            f"{file.name} came with {size} bytes and sha256 {digest.hexdigest()}, registered are "
            f"{file.size} bytes and {file.sha256}: it was damaged on its way or in the "
            "store; download it again, and if it stays so, run its job again"
        )
