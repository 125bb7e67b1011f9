"""Where a version is published to, and on whose word in spite of a licence."""

import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, StrictBool, model_validator

from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short
from alambique.spec.fields import Spec
from alambique.spec.sources import WORD

_REPOSITORY = re.compile(rf"{WORD}/{WORD}")
_FOLDER = re.compile(WORD)


@dataclass(frozen=True, slots=True)
class HubTarget:
    """A repository of the hub."""

    repository: str

    def __str__(self) -> str:
        """Return the text that `target_of` reads back."""
        return f"hub:{self.repository}"


@dataclass(frozen=True, slots=True)
class FolderTarget:
    """A folder of that name among the published ones in the home of the worker."""

    name: str

    def __str__(self) -> str:
        """Return the text that `target_of` reads back."""
        return f"folder:{self.name}"


Target = HubTarget | FolderTarget


def target_of(text: str) -> Target:
    """Return what the text of a target names.

    >>> target_of("hub:team/tiny-ner"), target_of("folder:tiny-ner")
    (HubTarget(repository='team/tiny-ner'), FolderTarget(name='tiny-ner'))

    Raises:
        BadSpec: the text has none of the forms.
    """
    kind, _, name = text.partition(":")
    if kind == "hub" and _REPOSITORY.fullmatch(name):
        return HubTarget(name)
    if kind == "folder" and _FOLDER.fullmatch(name):
        return FolderTarget(name)
    raise BadSpec(
        f"{short(text)} names no place to publish to: give hub:team/name, or folder:NAME for a "
        "folder in the home of the worker"
    )


class LicenceOverride(Spec):
    """The word of a person who answers for publishing in spite of the licence chain."""

    by: Annotated[str, Field(min_length=1, max_length=200)]
    """Who that is; the name stands in the card."""
    note: Annotated[str, Field(min_length=1, max_length=2000)]
    """Why it may be published; the note stands in the card."""


class Publish(Spec):
    """Where a job's distilled student is published once it is registered."""

    repository: Annotated[str | None, Field(pattern=rf"^{WORD}/{WORD}$")] = None
    """Of the hub, as team/name."""
    folder: Annotated[str | None, Field(pattern=rf"^{WORD}$")] = None
    """In the place of a repository, a folder in the home of the worker."""
    private: StrictBool = True
    """Whether the repository is seen by its team alone."""
    override: LicenceOverride | None = None

    @model_validator(mode="after")
    def _check_one_target(self) -> Self:
        if (self.repository is None) == (self.folder is None):
            raise ValueError("give either repository (team/name) or folder, and not both")
        return self

    @property
    def target(self) -> Target:
        """The place that is named."""
        if self.repository is not None:
            return HubTarget(self.repository)
        assert self.folder is not None
        return FolderTarget(self.folder)
