"""Where a version is published to, and who answers for it in spite of a licence."""

import re
from collections.abc import Mapping
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


_TARGETS: Mapping[str, type[HubTarget] | type[FolderTarget]] = {
    "hub": HubTarget,
    "folder": FolderTarget,
}
"""The kinds of targets, by the word before the colon of their text."""


def target_of(text: str) -> Target:
    """Return the target that a text names.

    >>> target_of("hub:team/tiny-ner"), target_of("folder:tiny-ner")
    (HubTarget(repository='team/tiny-ner'), FolderTarget(name='tiny-ner'))

    Raises:
        BadSpec: the text has none of the forms.
    """
    expected = "names no place to publish to: give hub:team/name, or folder:NAME"
    kind, name = _kind_and_name(text, {"hub": _REPOSITORY, "folder": _FOLDER}, expected)
    return _TARGETS[kind](name)


@dataclass(frozen=True, slots=True)
class Family:
    """A team of the hub or a folder, in which each model of a family has its own target."""

    target: type[HubTarget] | type[FolderTarget]
    """What the target of a model is."""
    name: str

    def member(self, model: str) -> Target:
        """Return the target of a model of the family, under its own name."""
        return self.target(f"{self.name}/{model}")


def family_of(text: str) -> Family:
    """Return the family that a text names.

    >>> family_of("hub:team").member("tiny-ner"), family_of("folder:six").member("tiny-ner")
    (HubTarget(repository='team/tiny-ner'), FolderTarget(name='six/tiny-ner'))

    Raises:
        BadSpec: the text has none of the forms.
    """
    expected = "names no place for a family of models: give hub:team, or folder:NAME"
    kind, name = _kind_and_name(text, {"hub": _TEAM, "folder": _TEAM}, expected)
    return Family(_TARGETS[kind], name)


def _kind_and_name(
    text: str, patterns: Mapping[str, re.Pattern[str]], expected: str
) -> tuple[str, str]:
    """Return the words before and after the colon of a text, if the second fits its pattern.

    Args:
        text: the text of a target or a family.
        patterns: by the first word, what the second one looks like.
        expected: what the error says of another text, before "for a folder".

    Raises:
        BadSpec: the text has none of these forms.
    """
    kind, _, name = text.partition(":")
    if kind in patterns and patterns[kind].fullmatch(name):
        return kind, name
    raise BadSpec(f"{short(text)} {expected} for a folder in the home of the worker")


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
