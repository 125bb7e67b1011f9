"""Reads the licences of what a student is made of: of the hub, of folders, of the catalogue."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from alambique.models import hub
from alambique.models.sources import SAMPLES
from alambique.registry.job_result import HubRepository
from alambique.spec.data_sources import AtPath, Catalogued, HubData, data_source_of
from alambique.spec.publication import LicenceOverride
from alambique.spec.sources import (
    Architecture,
    Folder,
    Hub,
    Local,
    Registered,
    Source,
    source_of,
)
from alambique.tasks.catalogue import dataset
from alambique.workers.publishing.hub_metadata import (
    Named,
    display_name,
    named_by,
    read_front_matter,
    repositories_of,
)
from alambique.workers.publishing.licences import (
    UNKNOWN,
    LicenceChain,
    LicenceLink,
    LinkKind,
    chain_of,
    licences_of,
)
from alambique.workers.publishing.release import Release, base_models_of, data_sets_of

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


def hub_repositories(
    base_models: Iterable[Source],
    data_sets: Iterable[str],
    sources: LicenceSources,
    known: Iterable[HubRepository] = (),
) -> tuple[HubRepository, ...]:
    """Return the repositories of the hub among models and data, and what those were made of.

    Args:
        base_models: as for `read_links`.
        data_sets: as for `read_links`.
        sources: where to read.
        known: what was recorded, which is not read again.

    Raises:
        UnknownName, BadModel, Unreachable: as `repositories_of`.
    """
    cache, endpoint = sources.cache, sources.endpoint
    data = (data_source_of(name) for name in data_sets)
    models = tuple(base_models)
    pinned: list[Hub | HubData] = [
        *(hub.resolve(m, cache=cache, endpoint=endpoint) for m in models if isinstance(m, Hub)),
        *(
            hub.resolve_data(source, cache=cache, endpoint=endpoint)
            for source in data
            if isinstance(source, HubData)
        ),
    ]
    named = [name for model in models for name in _folder_names(model, sources)]
    return repositories_of(pinned, named, known, cache=cache, endpoint=endpoint)


def read_links(
    base_models: Sequence[Source],
    data_sets: Sequence[str],
    sources: LicenceSources,
    known: Iterable[HubRepository] = (),
) -> tuple[LicenceLink, ...]:
    """Return a link for each model and data set of others that a student is made of.

    A network from scratch has no link. A model of the registry has none of its own: it was made of
    the base models and the data of its job, which are to be given as well. What a README.md names
    as `base_model` or `datasets` is a link too, and what the README.md of that names.

    Args:
        base_models: that the job, and those that made its registered models, began with.
        data_sets: that they learn from, as `data.name` and `data.unlabelled` name them.
        sources: where to read.
        known: what was recorded of repositories of the hub, which are not read again.

    Raises:
        UnknownName: the hub, the catalogue or ALAMBIQUE_MODELS has no such thing.
        Unreachable: the hub does not answer.
    """
    repositories = hub_repositories(base_models, data_sets, sources, known)
    folders = [
        link
        for link in (
            *(_model_link(model, sources) for model in base_models),
            *(_data_link(name) for name in data_sets),
        )
        if link is not None
    ]
    starts = {
        (folder.name, start)
        for model in base_models
        if (folder := _model_folder(model, sources)) is not None
        for start in _folder_names(model, sources)
    }
    return (*folders, *_hub_links(repositories, starts))


def release_chain(release: Release, sources: LicenceSources) -> LicenceChain:
    """Return the licence chain of a version that is to be published, with its override.

    Raises:
        UnknownName, Unreachable: as `read_links`.
    """
    said = release.publication.override
    override = None if said is None else LicenceOverride.model_validate(said)
    known = release.repositories
    return chain_of(read_links(release.base_models, release.data_sets, sources, known), override)


def teacher_chain(release: Release, sources: LicenceSources) -> LicenceChain:
    """Return the licence chain of the teachers of a release: without what its student alone had.

    Raises:
        UnknownName, Unreachable: as `read_links`.
    """
    job, makers = release.job, release.ancestry[1:]
    named = [source_of(model) for field, model in job.models() if not field.startswith("student")]
    data = [name for field, name in job.data.names.items() if field not in ("test", "unlabelled")]
    models = dict.fromkeys((*named, *base_models_of(makers)))
    learnt = dict.fromkeys((*data, *data_sets_of(makers)))
    return chain_of(read_links([*models], [*learnt], sources, release.repositories))


def _folder_names(source: Source, sources: LicenceSources) -> Sequence[Named]:
    """Return what the README.md of a model that lies on this machine names at the hub."""
    folder = _model_folder(source, sources)
    readme = None if folder is None else folder / hub.README
    return () if readme is None or not readme.is_file() else read_front_matter(readme).named


def _model_folder(source: Source, sources: LicenceSources) -> Path | None:
    """Return the folder of a model that lies on this machine."""
    match source:
        case Local(name) if name in SAMPLES:
            return SAMPLES[name]
        case Local(name):
            return None if sources.models is None else sources.models / name
        case Folder(path):
            return Path(path).expanduser()
        case Hub() | Registered() | Architecture():
            return None
        case _:
            assert_never(source)


def _model_link(source: Source, sources: LicenceSources) -> LicenceLink | None:
    """Return the link of a model that lies on this machine; None: it does not."""
    folder = _model_folder(source, sources)
    match source:
        case Local(name):
            return _folder_link("base model", name, folder)
        case Folder() if folder is not None:
            # what is published tells the name of a folder, and not where it lies on this machine
            return _folder_link("base model", folder.name, folder)
        case _:
            return None


def _data_link(name: str) -> LicenceLink | None:
    """Return the link of data that are not of the hub; None: they are."""
    source = data_source_of(name)
    match source:
        case Catalogued():
            return LicenceLink("data", name, dataset(name).licence, "the catalogue of alambique")
        case HubData():
            return None
        case AtPath(path):
            folder = Path(path).expanduser()
            return _folder_link("data", folder.name, folder)
        case _:
            assert_never(source)


def _hub_links(
    repositories: Sequence[HubRepository], starts: Iterable[tuple[str, Named]]
) -> Iterator[LicenceLink]:
    """Yield a link for each repository at a commit, with who names it where no job does.

    Args:
        repositories: those of the job first.
        starts: names of folders, each with a repository that its README.md names.
    """
    namers: dict[Named, set[str]] = {}
    for folder, named in starts:
        namers.setdefault(named, set()).add(folder)
    for each in repositories:
        for named in named_by(each):
            namers.setdefault(named, set()).add(display_name(each))
    given: set[Named] = set()
    for each in repositories:
        name = display_name(each)
        if (each.kind, name) in given:
            continue
        given.add((each.kind, name))
        where = f"{hub.README} of the hub at that commit" if each.commit else "not read at the hub"
        if by := sorted(namers.get((each.kind, each.named), ())):
            where += f", named by {hub.README} of {', '.join(by)}"
        yield LicenceLink(each.kind, name, each.licence, where, each.url, each.unread)


def _folder_link(kind: LinkKind, name: str, folder: Path | None) -> LicenceLink:
    """Return a link to a folder, by the front matter of its README.md or the names of its files."""
    if folder is None or not folder.is_dir():
        return LicenceLink(kind, name, None, "no folder that could say so")
    readme = folder / hub.README
    if readme.is_file():
        said = read_front_matter(readme)
        if said.licence is not None:
            where = f"{hub.README} of its folder"
            return LicenceLink(kind, name, said.licence, where, said.url)
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
