"""Sizes in readable units, lock files, and the errors by which libraries report a full disk."""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TEXTS = (
    "no space left on device",
    "disk quota exceeded",
    "file too large",
    # torch writes its archives in C++, which tells that a write failed, and not why
    "pytorchstreamwriter failed writing",
    "inline_container.cc",
    "basic_ios::clear: iostream error",
)
_SQLITE_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
"""The second if the disk has no room for the index of the log, which all processes map."""
_POSTGRESQL_FULL = "53100"

MAKE_ROOM = (
    "make room where ALAMBIQUE_HOME, the database and ALAMBIQUE_ARTIFACTS are, or set them to a "
    "larger disk"
)
"""What to do about a disk that is full."""


def size_text(size: float) -> str:
    """Return a number of bytes in three digits, in the largest unit of which there is one.

    >>> size_text(312), size_text(48_300), size_text(1_910_000_000), size_text(999_999)
    ('312 B', '48.3 kB', '1.91 GB', '1 MB')
    """
    for unit, scale in _UNITS:
        if size >= 0.9995 * scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size:.0f} B"


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a lock file that no other process or thread of this machine holds meanwhile."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, or what it was raised from, says that a disk is full.

    SQLite, PostgreSQL, pyarrow, safetensors and torch each say it in their own way.
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        if _says_full(cause):
            return True
        seen.append(cause)
        cause = cause.__cause__
    return False


def disk_full_text(error: BaseException | None = None) -> str:
    """Return the message of a full disk, with the path that the error names, if it names one."""
    path = getattr(error, "filename", None)
    return f"no space is left on the disk{f' of {path}' if path else ''}: {MAKE_ROOM}"


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    if getattr(error, "sqlite_errorname", None) in _SQLITE_FULL:
        return True
    if getattr(error, "sqlstate", None) == _POSTGRESQL_FULL:
        return True
    text = str(error).lower()
    return any(sign in text for sign in _TEXTS)
