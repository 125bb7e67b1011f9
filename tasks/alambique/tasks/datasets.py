"""What is known of a data set: what it is for, where its files are, how they are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from alambique.spec.data import Split
from alambique.tasks.formats.columns import Rows


class Read(Protocol):
    """The examples of a file; BadData where it is broken."""

    def __call__(self, path: Path, /, *, labels: bool = ...) -> Sequence[Any] | Rows:
        """Read a file; without `labels`, labels are not looked at and need not be there."""


@dataclass(frozen=True, slots=True)
class Files:
    """A file for each split, under ALAMBIQUE_DATA."""

    paths: Mapping[Split, str]
    """From that folder on."""
    read: Read


@dataclass(frozen=True, slots=True)
class Articles:
    """One SQuAD file, split by article: the n-th goes where n modulo the length of `turns` says."""

    path: str
    turns: tuple[Split, ...]


@dataclass(frozen=True, slots=True)
class Paragraphs:
    """Files of running text, split by what the paragraphs say: equal ones are in one split.

    In the order of their hashes, so that the first ones are a sample of all files.
    """

    paths: tuple[str, ...]
    share: int = 100
    """One in so many is of dev, and one of test."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A file for each split, in a data set repository of the hub, at one commit."""

    repository: str
    revision: str
    paths: Mapping[Split, str]
    read: Read
    """Reads Parquet with a row for each row of the file."""
    field: str | None = None
    """Where the rows of a JSON file are."""

    def split(self, split: Split) -> "HubSplit":
        """Return a split as it is asked of the hub."""
        return HubSplit(
            self.repository, self.revision, split, path=self.paths[split], field=self.field
        )


@dataclass(frozen=True, slots=True)
class HubSplit:
    """A split of a data set of the hub, as it is asked for; it is got as Parquet."""

    repository: str
    revision: str
    """A commit."""
    split: str
    """What it is called there."""
    subset: str | None = None
    """The part of the data set, where there are several."""
    path: str | None = None
    """The file in the repository; None: those that the repository says."""
    field: str | None = None
    """Where the rows of a JSON file are."""
    first: int | None = None
    """How many rows; None: all."""
    alone: bool = False
    """Whether it comes by itself, as a stream: where the job does not take all splits whole."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """A file for each split that is part of this package, in `sample_data/FOLDER`."""

    folder: str


Source = Files | Articles | Paragraphs | Hub | Shipped


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set: what it is for, where it lies, what it holds."""

    name: str
    task: str
    source: Source
    sizes: Mapping[Split, int]
    """Examples of each split that there is, with those that are left out."""
    about: str
    """Where it comes from."""
    licence: str
    """An SPDX expression; a LicenseRef is explained in docs/licences.md."""
    language: str = "es"
    """Of its texts, by ISO 639-1: all sets of the catalogue are in Spanish, or its part of them."""
    labels: tuple[str, ...] = field(default=())
    """Names in their order; empty: as the task finds them in the examples."""

    @property
    def splits(self) -> tuple[Split, ...]:
        """Those that there are."""
        return tuple(self.sizes)
