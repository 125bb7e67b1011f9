"""The request and the report of the process that loads data sets of the hub."""

from dataclasses import dataclass
from enum import StrEnum


class Refusal(StrEnum):
    """Why no file came of a request."""

    UNKNOWN = "unknown"
    """The hub has no such data set or file, or does not give it to this user."""
    UNREACHABLE = "unreachable"
    """The hub does not answer."""
    BAD_DATA = "bad data"
    """What it has cannot be read."""
    NO_ROOM = "no room"
    """The disk is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """Which split to load, and where to write it as Parquet."""

    repository: str
    revision: str
    """A commit."""
    subset: str | None
    split: str
    path: str | None
    """A file in the repository; None: those that the repository says."""
    field: str | None
    """Where the rows of a JSON file are."""
    first: int | None
    """How many rows; None: all."""
    alone: bool
    """Whether no other split is to be loaded with it, and it is streamed."""
    parent: int
    """The process that waits for it, without which nothing is loaded."""
    out: str
    """A folder that is there and empty: a file for each split that was loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """How a request ended: its file is there, or it is refused."""

    refusal: Refusal | None = None
    message: str = ""
    """Why it is refused; a sentence without its full stop."""
