"""Where a data set comes from: the forms of `data.name`, a closed union."""

import re
from dataclasses import dataclass

from alambique.spec.excerpts import short
from alambique.spec.sources import REVISION, WORD, is_commit

PREFIX = "hub:"
"""How the name of a data set of the hub begins."""
SUBSET = r"[^#/\\\x00-\x1f\x7f]{1,96}"
"""As `datasets` takes a name of one."""
_OF_HUB = re.compile(rf"hub:({WORD}/{WORD})(?:@({REVISION}))?(?:#({SUBSET}))?")


@dataclass(frozen=True, slots=True)
class Catalogued:
    """One that the catalogue of `tasks` knows by name."""

    name: str


@dataclass(frozen=True, slots=True)
class AtPath:
    """A file or folder of this machine; only `alambique run` takes one."""

    path: str


@dataclass(frozen=True, slots=True)
class HubData:
    """A data set repository of the hub, at a commit, tag or branch, or at its newest."""

    repository: str
    revision: str | None
    subset: str | None = None
    """Which part of it, where it has several: what `datasets` calls its name."""

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which is the same for ever."""
        return is_commit(self.revision)

    def __str__(self) -> str:
        """Return the text that `data_source_of` reads back."""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{PREFIX}{self.repository}{revision}{f'#{self.subset}' if self.subset else ''}"


DataSource = Catalogued | AtPath | HubData


def data_source_of(name: str) -> DataSource:
    """Return what the text of `data.name`, `data.test` or `data.unlabelled` names.

    >>> data_source_of("hub:team/reviews@v2#es")
    HubData(repository='team/reviews', revision='v2', subset='es')
    >>> data_source_of("squad-es"), data_source_of("./mine.csv")
    (Catalogued(name='squad-es'), AtPath(path='./mine.csv'))

    Raises:
        ValueError: it begins as one of the hub, and is none.
    """
    if name.startswith(PREFIX):
        if match := _OF_HUB.fullmatch(name):
            return HubData(match[1], match[2], match[3])
        raise ValueError(
            f"{short(name)} names no data set of the hub: expected an id, hub:team/name, behind it "
            "where need be @ with a commit, tag or branch, and # with a subset; no address"
        )
    return AtPath(name) if "/" in name else Catalogued(name)


def is_own(name: str) -> bool:
    """Return whether it is a data set of the user's, of which the catalogue knows nothing."""
    return not isinstance(data_source_of(name), Catalogued)
