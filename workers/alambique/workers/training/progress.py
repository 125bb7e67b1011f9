"""The progress of a run: a file of JSON lines, written by one process and read by others."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a run."""

    epoch: int
    done: int
    """Steps done, of `total`."""
    total: int
    loss: float | None
    """Of the last step whose loss was read, over the whole batch; at the end of an epoch, of its
    last step. None: a run that was resumed between the last step of an epoch and its end took
    none."""
    terms: dict[str, float] = field(default_factory=dict)
    """Each term of the objective by itself at that step, before its weight."""
    validation: float | None = None
    """The validation loss, where an epoch has just ended."""
    metric: float | None = None
    """The task's primary metric on the validation examples, where an epoch has just ended."""
    at: float = 0.0
    """Seconds since 1970, for the reader's estimate of the time that is left."""

    @property
    def by_term(self) -> str:
        """Each term of the objective before its weight, as text."""
        return ", ".join(f"{kind} {value:.4f}" for kind, value in self.terms.items())

    def epoch_line(self, name: str) -> str:
        """Return the line of a log at the end of an epoch, for the run of that name."""
        loss = "" if self.loss is None else f"loss {self.loss:.4f} ({self.by_term}), "
        return (
            f"{name}, epoch {self.epoch}: {loss}"
            f"validation {self.validation:.4f}, metric {self.metric:.4f}"
        )


class ProgressFile:
    """Writes at most one report in `every` seconds, and always one where an epoch ends."""

    def __init__(self, path: Path, every: float = 1.0) -> None:
        self._path = path
        self._every = every
        self._last = 0.0

    def write(self, progress: Progress) -> None:
        """Append one line, unless the last one is younger than `every` seconds."""
        now = time.time()
        if progress.validation is None and now - self._last < self._every:
            return
        self._last = now
        with self._path.open("a") as out:
            out.write(json.dumps(asdict(progress) | {"at": now}) + "\n")


class ProgressReader:
    """Reads what was appended since the last reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = path.stat().st_size if path.exists() else 0

    def read_new(self) -> Iterator[Progress]:
        """Yield the new reports; a line that is still being written is left for the next time."""
        if not self._path.exists():
            return
        with self._path.open("rb") as source:
            source.seek(self._read)
            for line in source:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield Progress(**json.loads(line))
