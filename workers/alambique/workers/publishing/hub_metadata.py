"""What repositories of the hub say that they were made of, followed from one to the next.

A README.md names models and data without their commits. So what is read for a job is recorded with
the commits of that day in the job's result, and a publication reads the record.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from huggingface_hub import is_offline_mode

from alambique.models import hub
from alambique.registry.job_result import HubRepository
from alambique.spec.data_sources import PREFIX, HubData
from alambique.spec.errors import BadModel, UnknownName, Unreachable
from alambique.spec.excerpts import short
from alambique.spec.sources import WORD, Hub, is_commit, source_text
from alambique.workers.publishing.licences import LinkKind, front_matter_licence

_STEPS = 8
"""From a model of a job to what its README.md names, and from there on."""
_MOST = 64
"""Repositories that are read for one job or publication."""
_ID = re.compile(rf"(?:{WORD}/)?{WORD}")
OFFLINE = "the hub is not asked where HF_HUB_OFFLINE is set"
"""Why a repository is not read where that may change."""

Named = tuple[LinkKind, str]
"""A repository as a job names it (with its commit), or as a README.md does."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What the metadata in front of a README.md say of licence and origin."""

    licence: str | None = None
    url: str | None = None
    """Where the terms are."""
    base_models: tuple[str, ...] = ()
    data_sets: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[Named, ...]:
        """The repositories that it names."""
        return _named(self.base_models, self.data_sets)


def read_front_matter(readme: Path) -> FrontMatter:
    """Return what a README.md says in front; nothing where that cannot be read."""
    text = readme.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff")
    if not text.startswith("---"):
        return FrontMatter()
    try:
        metadata = yaml.safe_load(text.split("\n---", maxsplit=1)[0].removeprefix("---"))
    except yaml.YAMLError:
        return FrontMatter()
    if not isinstance(metadata, dict):
        return FrontMatter()
    base_models, data_sets = (_names(metadata.get(key)) for key in ("base_model", "datasets"))
    return FrontMatter(*front_matter_licence(metadata), base_models, data_sets)


def repositories_of(
    pinned: Iterable[Hub | HubData],
    named: Iterable[Named],
    known: Iterable[HubRepository],
    *,
    cache: Path,
    endpoint: str | None = None,
) -> tuple[HubRepository, ...]:
    """Return some repositories of the hub, and all that they say they were made of.

    What is known is not read again. A repository that a README.md names and that the hub does not
    have, or that is too far away, is there without a commit, with why.

    Args:
        pinned: what a job names, at a commit.
        named: what the README.md of a folder names.
        known: what was recorded.
        cache: where files of the hub are kept.
        endpoint: the URL of the hub; None: as the settings of huggingface_hub say.

    Raises:
        UnknownName, BadModel: one that the job names cannot be had.
        Unreachable: the hub does not answer.
    """
    found: dict[Named, list[HubRepository]] = {}
    recorded: dict[Named, list[HubRepository]] = {}
    for each in known:
        recorded.setdefault((each.kind, each.named), []).append(each)
    for source in pinned:
        start = _job_name(source)
        found[start] = recorded.get(start) or [_read_at(start, source, cache, endpoint)]
    following = [*named, *_names_of(found.values())]
    for step in range(1, _STEPS + 1):
        new = {}
        for name in dict.fromkeys(following):
            if name in found:
                continue
            if name in recorded:
                new[name] = recorded[name]
            elif step == _STEPS or len(found) + len(new) >= _MOST:
                why = f"no more than {_STEPS} steps and {_MOST} repositories are followed"
                new[name] = [HubRepository(kind=name[0], named=name[1], unread=why)]
            else:
                new[name] = [_read(name, cache, endpoint)]
        found |= new
        following = _names_of(new.values())
    return tuple(dict.fromkeys(each for several in found.values() for each in several))


def named_by(repository: HubRepository) -> tuple[Named, ...]:
    """Return the repositories that one names."""
    return _named(repository.base_models, repository.data_sets)


def display_name(repository: HubRepository) -> str:
    """Return the name of a repository with its commit, as a job would give it."""
    at_commit = "@" in repository.named or repository.commit is None
    name = repository.named if at_commit else f"{repository.named}@{repository.commit}"
    is_data = repository.kind == "data" and not name.startswith(PREFIX)
    return f"{PREFIX}{name}" if is_data else name


def _job_name(source: Hub | HubData) -> Named:
    """Return how a job names a repository; a licence is of all of it, whichever part is read."""
    if isinstance(source, Hub):
        return "base model", source_text(source)
    return "data", str(replace(source, subset=None))


def _names_of(found: Iterable[Sequence[HubRepository]]) -> list[Named]:
    return [name for several in found for each in several for name in named_by(each)]


def _named(base_models: Iterable[str], data_sets: Iterable[str]) -> tuple[Named, ...]:
    return (
        *(("base model", name) for name in base_models),
        *(("data", name) for name in data_sets),
    )


def _names(stated: object) -> tuple[str, ...]:
    """Return the names of a field that has one or several; of what is no text, an excerpt."""
    every = stated if isinstance(stated, list) else [] if stated is None else [stated]
    return tuple(
        dict.fromkeys(each if isinstance(each, str) else type(each).__name__ for each in every)
    )


def _read(named: Named, cache: Path, endpoint: str | None) -> HubRepository:
    """Read a repository that a README.md names; why it cannot be read, where that is so.

    Raises:
        Unreachable: the hub does not answer.
    """
    kind, name = named
    repository, _, revision = name.partition("@")
    if not _ID.fullmatch(repository) or not (revision == "" or is_commit(revision)):
        return HubRepository(kind=kind, named=name, unread=f"{short(name)} is no id of the hub")
    asked = revision or None
    try:
        if kind == "data":
            source = hub.resolve_data(HubData(repository, asked), cache=cache, endpoint=endpoint)
            return _read_at(named, source, cache, endpoint)
        model = hub.resolve(Hub(repository, asked), cache=cache, endpoint=endpoint)
        return _read_at(named, model, cache, endpoint)
    except (UnknownName, BadModel) as error:
        why = str(error).partition(". ")[0]
        return HubRepository(kind=kind, named=name, unread=why)
    except Unreachable:
        if not is_offline_mode():
            raise
        return HubRepository(kind=kind, named=name, unread=OFFLINE)


def _read_at(
    named: Named, source: Hub | HubData, cache: Path, endpoint: str | None
) -> HubRepository:
    """Read the README.md of a repository at a commit.

    Raises:
        UnknownName, BadModel, Unreachable: it cannot be had.
    """
    kind, name = named
    readme = hub.fetch_readme(source, cache=cache, endpoint=endpoint)
    said = FrontMatter() if readme is None else read_front_matter(readme)
    url = said.url
    if url is not None and "://" not in url:
        base = f"datasets/{source.repository}" if kind == "data" else source.repository
        url = f"https://huggingface.co/{base}/blob/{source.revision}/{url}"
    return HubRepository(
        kind=kind,
        named=name,
        commit=source.revision,
        licence=said.licence,
        url=url,
        # what data were made of is no metadata of the hub's
        base_models=() if kind == "data" else said.base_models,
        data_sets=() if kind == "data" else said.data_sets,
    )
