"""The request and the report of the import process, without the libraries that it imports."""

from dataclasses import dataclass, field

DISK_FULL = 28
"""The exit code of a process that met a full disk, where a report may have no room either."""
REPORT = "report.json"
"""The file among what is written that holds the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What to import, from where to where, and how much that may take."""

    weights: list[str]
    """Paths of pickles; none where only a tokenizer is converted."""
    tokenizer: str | None
    """The folder of an older tokenizer's files; None where tokenizer.json is there."""
    model_type: str
    out: str
    """A folder that is there and empty."""
    memory: int
    """Bytes of address space."""
    seconds: int
    """Seconds of processor time."""
    largest_file: int
    """Bytes of the largest file that may be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """How an import went."""

    isolation: list[str]
    """How the process is isolated, in words."""
    refused: str | None = None
    """Why nothing was written."""
    renamed: list[str] = field(default_factory=list)
    """Weights that were stored under an older name."""
    dropped: list[str] = field(default_factory=list)
    """What was stored among the weights and is none."""
    assumed: list[str] = field(default_factory=list)
    """Settings of case and accents of the tokenizer that the repository does not give."""
