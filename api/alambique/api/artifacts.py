"""The files of versions, read from the artifacts' root: a folder, or any store of fsspec."""

from collections.abc import Iterator
from typing import BinaryIO, cast

import fsspec

from alambique.registry.records import File, Version
from alambique.spec.errors import AlambiqueError

_PIECE = 1 << 20


class LostFile(AlambiqueError, FileNotFoundError):
    """A registered file is not in the store any more."""

    code = "lost_file"


def open_artifact(root: str, version: Version, file: File) -> BinaryIO:
    """Return a file of a version, open for reading.

    Raises:
        LostFile: the registry knows it, the store does not have it.
    """
    filesystem, folder = fsspec.core.url_to_fs(root)
    path = f"{folder.rstrip('/')}/{version.artifact}/{file.name}"
    try:
        return cast(BinaryIO, filesystem.open(path, "rb"))
    except FileNotFoundError as error:
        raise LostFile(
            f"{file.name} of {version.name}@{version.number} is registered and not in the store of "
            "artifacts: set ALAMBIQUE_ARTIFACTS to the store that the version was registered in, "
            "or, if the file was deleted there, restore it or run the job again"
        ) from error


def pieces(opened: BinaryIO) -> Iterator[bytes]:
    """Yield the content, 1 MiB at a time, and close it at the end."""
    with opened:
        while piece := opened.read(_PIECE):
            yield piece
