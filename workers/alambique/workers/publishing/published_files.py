"""The files of a published folder: which there are, and the hash of each. None of them is run."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from alambique.models.configs import bounded_bytes
from alambique.spec.errors import BadModel

SIGNATURE, PUBLIC_KEY = "model.sig", "signing_key.pub"
"""The signature of a folder, and the key that it is checked with."""
_NOT_PUBLISHED = (".git", ".gitattributes", ".github", ".gitignore", ".cache")
"""What git and huggingface_hub put beside the files of a repository that they fetch."""
_MOST_FILES = 1000
"""A published folder has some ten."""


@dataclass(frozen=True, slots=True)
class PublishedFiles:
    """A folder with the hash of each of its files."""

    folder: Path
    hashes: Mapping[str, str]
    """By the path from the folder on, with `/` between its parts; without the signature."""

    def read(self, name: str, most: int) -> bytes:
        """Return the content of a file that is the one that was hashed.

        Raises:
            BadModel: it is not there, has more than `most` bytes, or has changed meanwhile.
        """
        if name not in self.hashes:
            raise BadModel(f"{self.folder} has no {name}: fetch the whole publication")
        content = bounded_bytes(self.folder / name, most)
        if hashlib.sha256(content).hexdigest() != self.hashes[name]:
            raise BadModel(f"{self.folder / name} changes while it is looked at: try again")
        return content


def list_files(folder: Path) -> PublishedFiles:
    """Return the files of a folder with their hashes.

    Raises:
        BadModel: there is a link or something else that is no plain file, or there are more files
            than any publication has.
    """
    names: dict[str, Path] = {}
    for path in _walk(folder):
        names[path.relative_to(folder).as_posix()] = path
        if len(names) > _MOST_FILES:
            raise BadModel(
                f"{folder} has more than {_MOST_FILES} files: it is no published folder; name one"
            )
    hashes = {name: _hash(path) for name, path in sorted(names.items()) if name != SIGNATURE}
    return PublishedFiles(folder, hashes)


def ignored_paths() -> list[str]:
    """Return what a signature does not cover: itself, and what no publication holds."""
    return [SIGNATURE, *_NOT_PUBLISHED]


def is_plain_name(name: str) -> bool:
    """Return whether a name in a list of files stays inside of the folder that the list is of.

    >>> is_plain_name("pictures/front.svg"), is_plain_name("../a"), is_plain_name("/etc/passwd")
    (True, False, False)
    """
    path = PurePosixPath(name)
    is_inside = not path.is_absolute() and ".." not in path.parts and "\\" not in name
    return bool(path.parts) and is_inside and path.as_posix() == name


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder; what git and the hub's client put there is passed by."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.name in _NOT_PUBLISHED:
            continue
        if entry.is_symlink():
            raise BadModel(
                f"{path} is a link, which is not followed: fetch the model into a folder of its "
                "own, as `hf download NAME --local-dir FOLDER` does"
            )
        if entry.is_dir():
            yield from _walk(path)
        elif entry.is_file():
            yield path
        else:
            raise BadModel(f"{path} is no file, nor a folder: fetch the publication again")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
