"""The request and the report of the process that loads data sets of the hub.

Both processes import this module: it needs no library.
"""

from dataclasses import dataclass
from enum import StrEnum


class LoadFailure(StrEnum):
    """Why a split could not be loaded."""

    UNKNOWN = "unknown"
    """The hub has no such data set or file, or does not give it to this user."""
    UNREACHABLE = "unreachable"
    """The hub does not answer."""
    BAD_DATA = "bad data"
    """The data cannot be read."""
    DISK_FULL = "disk full"
    """The disk is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """The split to load, and the folder to write it to as Parquet."""

    repository: str
    revision: str
    """A commit."""
    subset: str | None
    split: str
    path: str | None
    """A file in the repository; None: the files that the repository lists."""
    field: str | None
    """The key of a JSON file under which its rows are."""
    first: int | None
    """The number of rows; None: all."""
    alone: bool
    """Whether the split is streamed, without the other splits."""
    parent: int
    """The id of the process that waits for the report; the load ends with it."""
    file: str | None = None
    """That file of the repository where it is on this machine, which is read in its place; with it
    no network is asked."""
    out: str
    """An existing empty folder, which gets a file for each split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """How a request ended: with its files, or with a failure."""

    failure: LoadFailure | None = None
    message: str = ""
    """The cause of the failure, and what to do about bad data: a sentence without its full stop."""
