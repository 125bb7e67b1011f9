"""Reads the licences of what a student is made of: of the hub, of folders, of the catalogue."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

import yaml

from alambique.models import hub
from alambique.models.sources import SAMPLES
from alambique.spec.data_sources import AtPath, Catalogued, HubData, data_source_of
from alambique.spec.publication import LicenceOverride
from alambique.spec.sources import Architecture, Folder, Hub, Local, Registered, Source, source_text
from alambique.tasks.catalogue import dataset
from alambique.workers.publishing.licences import (
    UNKNOWN,
    LicenceChain,
    LicenceLink,
    LinkKind,
    chain_of,
    front_matter_licence,
    licences_of,
)
from alambique.workers.publishing.release import Release

_LICENCE_FILES = ("LICENSE", "LICENCE", "COPYING")
_LICENCE_FOLDER = "LICENSES"
"""Of files that are named by the licence that they hold, as the REUSE specification has it."""


@dataclass(frozen=True, slots=True)
class LicenceSources:
    """Where the licences of models and data are read."""

    models: Path | None
    """ALAMBIQUE_MODELS."""
    cache: Path
    """Where files of the hub are kept."""
    endpoint: str | None = None
    """The URL of the hub; None: as the settings of huggingface_hub say."""


def read_links(
    base_models: Iterable[Source], data_sets: Iterable[str], sources: LicenceSources
) -> tuple[LicenceLink, ...]:
    """Return a link for each model and data set of others that a student is made of.

    A network from scratch has no link. A model of the registry has none of its own: it was made of
    the base models and the data of its job, which are to be given as well.

    Args:
        base_models: that the job, and those that made its registered models, began with.
        data_sets: that they learn from, as `data.name` and `data.unlabelled` name them.
        sources: where to read.

    Raises:
        UnknownName: the hub, the catalogue or ALAMBIQUE_MODELS has no such thing.
        Unreachable: the hub does not answer.
    """
    models = [_model_link(model, sources) for model in base_models]
    data = [_data_link(name, sources) for name in data_sets]
    return tuple(link for link in (*models, *data) if link is not None)


def release_chain(release: Release, sources: LicenceSources) -> LicenceChain:
    """Return the licence chain of a version that is to be published, with its override.

    Raises:
        UnknownName, Unreachable: as `read_links`.
    """
    said = release.publication.override
    override = None if said is None else LicenceOverride.model_validate(said)
    return chain_of(read_links(release.base_models, release.data_sets, sources), override)


def _model_link(source: Source, sources: LicenceSources) -> LicenceLink | None:
    match source:
        case Hub():
            pinned = hub.resolve(source, cache=sources.cache, endpoint=sources.endpoint)
            return _hub_link("base model", pinned, source_text(pinned), sources)
        case Local(name) if name in SAMPLES:
            return _folder_link("base model", name, SAMPLES[name])
        case Local(name):
            folder = None if sources.models is None else sources.models / name
            return _folder_link("base model", name, folder)
        case Folder(path):
            # what is published tells the name of a folder, and not where it lies on this machine
            folder = Path(path).expanduser()
            return _folder_link("base model", folder.name, folder)
        case Registered() | Architecture():
            return None
        case _:
            assert_never(source)


def _data_link(name: str, sources: LicenceSources) -> LicenceLink:
    source = data_source_of(name)
    match source:
        case Catalogued():
            return LicenceLink("data", name, dataset(name).licence, "the catalogue of alambique")
        case HubData():
            pinned = hub.resolve_data(source, cache=sources.cache, endpoint=sources.endpoint)
            # a licence is of the whole repository, whichever part of it is read
            return _hub_link("data", pinned, str(replace(pinned, subset=None)), sources)
        case AtPath(path):
            folder = Path(path).expanduser()
            return _folder_link("data", folder.name, folder)
        case _:
            assert_never(source)


def _hub_link(
    kind: LinkKind, pinned: Hub | HubData, name: str, sources: LicenceSources
) -> LicenceLink:
    """Return a link to a repository of the hub, by the README.md that it has at a commit."""
    readme = hub.fetch_readme(pinned, cache=sources.cache, endpoint=sources.endpoint)
    found, url = (None, None) if readme is None else front_matter_licence(_front_matter(readme))
    if url is not None and "://" not in url:
        base = f"datasets/{pinned.repository}" if kind == "data" else pinned.repository
        url = f"https://huggingface.co/{base}/blob/{pinned.revision}/{url}"
    return LicenceLink(kind, name, found, f"{hub.README} of the hub at that commit", url)


def _folder_link(kind: LinkKind, name: str, folder: Path | None) -> LicenceLink:
    """Return a link to a folder, by the front matter of its README.md or the names of its files."""
    if folder is None or not folder.is_dir():
        return LicenceLink(kind, name, None, "no folder that could say so")
    readme = folder / hub.README
    if readme.is_file():
        found, url = front_matter_licence(_front_matter(readme))
        if found is not None:
            return LicenceLink(kind, name, found, f"{hub.README} of its folder", url)
    for file in _licence_files(folder):
        if UNKNOWN not in licences_of(found := _named_licence(file)):
            where = f"the name of its file {file.relative_to(folder)}"
            return LicenceLink(kind, name, found, where)
    return LicenceLink(kind, name, None, f"neither {hub.README} nor the name of a file says so")


def _named_licence(file: Path) -> str:
    """Return the part of a file's name that may tell a licence."""
    name = file.name.removesuffix(".txt").removesuffix(".md")
    if file.parent.name == _LICENCE_FOLDER:
        return name
    return re.sub(rf"^(?:{'|'.join(_LICENCE_FILES)})[-._]?", "", name)


def _licence_files(folder: Path) -> Sequence[Path]:
    """Return the files of a folder whose names may tell a licence: LICENSE-MIT, LICENSES/MIT.txt.

    Where there are several nobody knows whether one may choose: none is returned.
    """
    named = [each for each in folder.iterdir() if each.name.startswith(_LICENCE_FILES)]
    held = (folder / _LICENCE_FOLDER).iterdir() if (folder / _LICENCE_FOLDER).is_dir() else ()
    files = [each for each in (*named, *held) if each.is_file()]
    return files if len(files) == 1 else []


def _front_matter(readme: Path) -> object:
    """Return the metadata in front of a README.md; None: it has none that can be read."""
    text = readme.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff")
    if not text.startswith("---"):
        return None
    try:
        return yaml.safe_load(text.split("\n---", maxsplit=1)[0].removeprefix("---"))
    except yaml.YAMLError:
        return None
