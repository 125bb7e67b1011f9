"""The examples that a published model was measured on, where this machine has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alambique.spec.data import Split
from alambique.spec.data_sources import AtPath, data_source_of
from alambique.spec.errors import AlambiqueError
from alambique.spec.job import Job
from alambique.tasks.all import find
from alambique.tasks.examples import FILE, Example, content_hash, intact, read
from alambique.tasks.reading import DataSets, Fetch
from alambique.workers.hub_data import HubFetcher


@dataclass(frozen=True, slots=True)
class NotAtHand:
    """Why there are no examples."""

    reason: str


@dataclass(frozen=True, slots=True)
class DataFolders:
    """Where data is looked for."""

    root: Path | None
    """ALAMBIQUE_DATA."""
    home: Path
    """ALAMBIQUE_HOME, where jobs that ran here have left their examples by their hash."""
    hub: Path | None = None
    """Where huggingface_hub keeps files of the hub, under HF_HOME."""

    @property
    def fetch(self) -> Fetch:
        """What gets a split of a data set of the hub from this machine, and asks no network."""
        home = self.home.absolute()
        caches = (home / "hub", *([self.hub] if self.hub else []))
        return HubFetcher(home, log=lambda _: None, caches=caches).fetch


def examples_of(
    job: Job, split: Split, expected: str, folders: DataFolders
) -> list[Example] | NotAtHand:
    """Return the examples of a split, which have the expected hash; never other ones.

    Paths that a job names are not followed: they are of the machine that it ran on, and whoever
    wrote the folder could name any file of this one. The hub is not asked: of its data sets what is
    on this machine is read, at the commit of the catalogue or of the job.

    Args:
        job: the one that made the model.
        split: test or dev.
        expected: the content hash that the provenance has of it.
        folders: where to look.
    """
    kept = folders.home / "examples" / expected / FILE
    # the hash comes from the folder: a name like ../.. has no such form
    if expected.isalnum() and intact(kept):
        examples = read(kept)
        if content_hash(examples) == expected:
            return examples
    name = job.data.test or job.data.name if split == "test" else job.data.name
    if isinstance(data_source_of(name), AtPath):
        return NotAtHand(f"{name} was a file of its publisher's, and no job has read it here")
    limit = job.data.limit.get(split)
    try:
        sets = DataSets(job.data, find(job.task), folders.root, folders.fetch)
        found: Sequence[Example] = sets.rows(name, split, limit=limit).examples[:limit]
    except (AlambiqueError, OSError) as error:
        return NotAtHand(str(error))
    if content_hash(found) != expected:
        return NotAtHand(
            f"{name} {split} as it is here holds other examples than the model was measured on "
            "(their hashes differ): get the release of the data that it names"
        )
    return list(found)
