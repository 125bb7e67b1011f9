"""Files that no version and no publication needs any more: found, and removed."""

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import fsspec

from alambique.registry import deletion, publications
from alambique.registry.database import Database
from alambique.registry.deletion import Expired, FileUse
from alambique.spec.settings import Settings

_VERSIONS = "versions"
"""The folder of the artifacts in which attempts of jobs store files: versions/JOB/TOKEN/ROLE."""

Why = Literal["deleted", "not registered", "copy of a deleted one", "staged and left"]


@dataclass(frozen=True, slots=True)
class Removed:
    """A folder that was removed, or would be."""

    folder: str
    """Under the root of the artifacts, or under the home of this machine."""
    why: Why
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Garbage:
    """What a collection has removed, or would remove."""

    versions: tuple[Expired, ...]
    """Those that cannot be restored any more. A folder that others name too stays theirs."""
    folders: tuple[Removed, ...]
    unknown: tuple[str, ...]
    """Folders of jobs that this registry does not know. They stay: another one may have them."""

    @property
    def bytes(self) -> int:
        """The size of all folders."""
        return sum(folder.bytes for folder in self.folders)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A folder that is there, with all files below it."""

    key: str
    files: tuple[str, ...]
    bytes: int


def collect_garbage(database: Database, settings: Settings, *, dry_run: bool = False) -> Garbage:
    """Remove the files of versions deleted long ago, and those that attempts have left.

    The latter are of attempts that did not register, and of publications that have ended.

    Versions are marked as collected before anything is removed, and what is removed is what no
    other version names: killed at any instant, the next collection removes what is left.

    Args:
        database: the registry.
        settings: name the artifacts, the home, the retention and the lease.
        dry_run: only find out what would be removed.

    Raises:
        OSError: the store of the artifacts did not remove a file.
    """
    retention = timedelta(days=settings.retention)
    if dry_run:
        with database.read() as session:
            versions = deletion.expired(session, retention)
    else:
        with database.write() as session:
            versions = deletion.collect(session, retention)
    system, root = fsspec.core.url_to_fs(settings.artifact_root.rstrip("/"))
    # before the registry is asked: a folder that is registered after that is not in the list
    paths = _paths(system, root)
    with database.read() as session:
        use = deletion.file_use(session, versions if dry_run else ())
    folders, unknown = list[Removed](), list[str]()
    for stored in _group(paths, use):
        match _reason(stored, use, system, root, settings.lease_time):
            case "unknown":
                unknown.append(stored.key)
            case "needed":
                pass
            case why:
                folders.append(Removed(stored.key, why, len(stored.files), stored.bytes))
                if not dry_run:
                    _remove(system, root, stored, use)
    folders += _remove_copies(settings.home, use, dry_run=dry_run)
    with database.read() as session:
        unfinished = publications.unfinished(session)
    folders += _remove_staged(settings.home, unfinished, retention, dry_run=dry_run)
    return Garbage(versions, tuple(folders), tuple(unknown))


def _paths(system: Any, root: str) -> dict[str, int | None]:
    """Return all files below a root with their sizes, and all folders, whose sizes are None."""
    found = system.find(root, withdirs=True, detail=True)
    return {
        path.removeprefix(f"{root}/"): None if info["type"] == "directory" else info["size"]
        for path, info in found.items()
        if path.startswith(f"{root}/")
    }


def _group(paths: dict[str, int | None], use: FileUse) -> Iterator[_Stored]:
    """Yield each folder that versions name, or an attempt of a job may have made."""
    files: dict[str, list[str]] = defaultdict(list)
    for path, size in sorted(paths.items()):
        if key := _key_of(path, use):
            files[key].extend([path] if size is not None else [])
    for key, each in files.items():
        yield _Stored(key, tuple(each), sum(paths[path] or 0 for path in each))


def _key_of(path: str, use: FileUse) -> str | None:
    """Return the folder that a path belongs to; None: nobody of this platform made it."""
    parts = path.split("/")
    above = ("/".join(parts[:depth]) for depth in range(len(parts), 0, -1))
    if known := next((key for key in above if key in use.named or key in use.released), None):
        return known
    return "/".join(parts[:4]) if parts[0] == _VERSIONS and len(parts) >= 4 else None


def _reason(
    stored: _Stored, use: FileUse, system: Any, root: str, lease: timedelta
) -> Why | Literal["needed", "unknown"]:
    """Return why a folder is to be removed, or that it is not."""
    if stored.key in use.named:
        return "needed"
    if stored.key in use.released:
        return "deleted"
    job, token = _attempt_of(stored.key)
    if job not in use.tokens or token is None:
        return "unknown"
    lowest = use.tokens[job]
    if lowest is not None and token >= lowest:
        return "needed"
    # who lost the lease may not know it yet, and is left to find that out
    newest = max((system.modified(f"{root}/{path}") for path in stored.files), default=None)
    is_recent = newest is not None and newest > datetime.now(UTC) - lease
    return "needed" if is_recent else "not registered"


def _attempt_of(key: str) -> tuple[UUID | None, int | None]:
    """Return the job and the token that versions/JOB/TOKEN/ROLE names; None for what is neither."""
    _, job, token, _ = key.split("/")
    try:
        return UUID(job), int(token)
    except ValueError:
        return None, None


def _remove(system: Any, root: str, stored: _Stored, use: FileUse) -> None:
    """Remove the files of a folder, and the folders that are empty then."""
    for path in stored.files:
        with suppress(FileNotFoundError):  # another collection was here
            system.rm_file(f"{root}/{path}")
    folders = {path.rpartition("/")[0] for path in stored.files} | {stored.key}
    for folder in sorted(folders, reverse=True):
        _remove_if_empty(system, f"{root}/{folder}")
    parts = stored.key.split("/")
    if parts[0] != _VERSIONS or len(parts) != 4:
        return
    _remove_if_empty(system, f"{root}/{'/'.join(parts[:3])}")
    job, _ = _attempt_of(stored.key)
    if job is not None and use.tokens.get(job, 0) is None:  # another attempt may be making its own
        _remove_if_empty(system, f"{root}/{'/'.join(parts[:2])}")


def _remove_if_empty(system: Any, folder: str) -> None:
    with suppress(OSError, NotImplementedError):  # it is not empty, or the store has no folders
        system.rmdir(folder)


def _remove_copies(home: Path, use: FileUse, *, dry_run: bool) -> Sequence[Removed]:
    """Remove what was fetched to this machine of versions that are collected."""
    removed = []
    for version_id in sorted(use.collected):
        folder = home.absolute() / "downloads" / str(version_id)
        if not folder.is_dir():
            continue
        removed.append(_removed(home, folder, "copy of a deleted one"))
        if not dry_run:
            shutil.rmtree(folder)
    return removed


def _remove_staged(
    home: Path, unfinished: Collection[UUID], retention: timedelta, *, dry_run: bool
) -> Sequence[Removed]:
    """Remove what was staged on this machine for publications that have ended, or are gone.

    A process that was killed has left it, where the publication was not taken up here again. For as
    long as deleted versions are kept it stays: whoever staged it may hang, and go on.
    """
    removed = []
    newest = datetime.now(UTC) - retention
    for folder in sorted((home.absolute() / "staging").glob("*.*")):
        publication = _publication_of(folder)
        if publication is None or publication in unfinished:
            continue
        if datetime.fromtimestamp(folder.stat().st_mtime, UTC) > newest:
            continue
        removed.append(_removed(home, folder, "staged and left"))
        if not dry_run:
            shutil.rmtree(folder)
    return removed


def _publication_of(folder: Path) -> UUID | None:
    """Return the publication that a folder was staged for; None: nobody of ours has staged it."""
    name, _, token = folder.name.partition(".")
    try:
        return UUID(name) if token.isdecimal() and folder.is_dir() else None
    except ValueError:
        return None


def _removed(home: Path, folder: Path, why: Why) -> Removed:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    shown = folder.relative_to(home.absolute()).as_posix()
    return Removed(shown, why, len(sizes), sum(sizes))
