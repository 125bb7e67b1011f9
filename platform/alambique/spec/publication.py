"""Where a version is published to, and on whose word in spite of a licence."""

import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StrictBool, model_validator

from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short
from alambique.spec.fields import Spec
from alambique.spec.settings import Settings
from alambique.spec.sources import WORD

_REPOSITORY = re.compile(rf"{WORD}/{WORD}")
_FOLDER = re.compile(rf"{WORD}(?:/(?!v[0-9]+$){WORD})?")
"""No second part is called as the folder of a version is."""
_TEAM = re.compile(WORD)


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
    """A word, or two with a slash between: a member of a family."""

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


@dataclass(frozen=True, slots=True)
class HubFamily:
    """A team of the hub, where each model of a family has a repository of its own name."""

    team: str

    def member(self, model: str) -> HubTarget:
        """Return where a model of the family is published to."""
        return HubTarget(f"{self.team}/{model}")


@dataclass(frozen=True, slots=True)
class FolderFamily:
    """A folder, in which each model of a family has one of its own name."""

    name: str

    def member(self, model: str) -> FolderTarget:
        """Return where a model of the family is published to."""
        return FolderTarget(f"{self.name}/{model}")


Family = HubFamily | FolderFamily


def family_of(text: str) -> Family:
    """Return where the models of a suite are published to.

    >>> family_of("hub:team").member("tiny-ner"), family_of("folder:six").member("tiny-ner")
    (HubTarget(repository='team/tiny-ner'), FolderTarget(name='six/tiny-ner'))

    Raises:
        BadSpec: the text has none of the forms.
    """
    kind, _, name = text.partition(":")
    if kind == "hub" and _TEAM.fullmatch(name):
        return HubFamily(name)
    if kind == "folder" and _TEAM.fullmatch(name):
        return FolderFamily(name)
    raise BadSpec(
        f"{short(text)} names no place for a family of models: give hub:team, or folder:NAME for a "
        "folder in the home of the worker"
    )


def missing_token(settings: Settings, project: str, target: Target) -> str | None:
    """Return what to say where there is no token to publish to a target with; None: there is one.

    Read by a worker alone: nobody else has the token.
    """
    if isinstance(target, FolderTarget) or settings.hub_token_of(project) is not None:
        return None
    return (
        f"there is no token to publish to {target} with: set ALAMBIQUE_HUB_TOKEN where the worker "
        f"runs, or put a file alambique_hub_token.{project} into the folder of ALAMBIQUE_SECRETS"
    )


class LicenceOverride(Spec):
    """The word of a person who answers for publishing in spite of the licence chain."""

    by: Annotated[str, Field(min_length=1, max_length=200)]
    """Who that is; the name stands in the card."""
    note: Annotated[str, Field(min_length=1, max_length=2000)]
    """Why it may be published; the note stands in the card."""


def _check_target(text: str) -> str:
    try:
        target_of(text)
    except BadSpec as error:
        raise ValueError(str(error)) from error
    return text


def _check_family(text: str) -> str:
    try:
        family_of(text)
    except BadSpec as error:
        raise ValueError(str(error)) from error
    return text


class PublicationRequest(Spec):
    """What a person asks for, to have a version published."""

    to: Annotated[str, AfterValidator(_check_target)]
    """hub:team/name, or folder:NAME for a folder in the home of the worker."""
    private: StrictBool = True
    """Whether the repository is seen by its team alone."""
    override: LicenceOverride | None = None


class FamilyRequest(Spec):
    """What a person asks for, to have the models of a suite published."""

    to: Annotated[str, AfterValidator(_check_family)]
    """hub:team, or folder:NAME for a folder in the home of the worker."""
    private: StrictBool = True
    """Whether the repositories, and their collection, are seen by their team alone."""
    override: LicenceOverride | None = None


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
