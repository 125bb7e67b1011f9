"""The plan of a job, from the configs of its models wherever they are, and nothing else of them."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import assert_never

from alambique.api.artifacts import open_artifact
from alambique.api.hub import LookUp, ask_hub, call_now
from alambique.models.configs import Config, read_config
from alambique.models.hub import fetch_config, list_data_files, resolve, resolve_data
from alambique.models.sources import inspect_repository, locate
from alambique.registry import versions
from alambique.registry.database import Database
from alambique.registry.records import Version
from alambique.spec.data_sources import HubData, data_source_of
from alambique.spec.errors import BadData, BadModel, BadSpec, UnknownName, Unreachable
from alambique.spec.field_errors import BadField, BadFields
from alambique.spec.job import Job
from alambique.spec.pinning import Floating, unpinned_sources, with_names
from alambique.spec.settings import Settings
from alambique.spec.sources import (
    Architecture,
    Folder,
    Hub,
    Local,
    Registered,
    Source,
    source_of,
    source_text,
)
from alambique.tasks.all import find
from alambique.tasks.costs import HubDataFiles, HubFiles, Plan
from alambique.tasks.data import Splits, load
from alambique.tasks.plan import ConfigOf, plan
from alambique.tasks.reading import Fetch, refuse_fetch

_TEXTS = (
    ".parquet",
    ".arrow",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".ndjson",
    ".txt",
    ".conll",
    ".conllu",
)
_PACKED = ("", ".gz", ".bz2", ".xz", ".zst")
_DATA_FILES = (*(f"{suffix}{packed}" for suffix in _TEXTS for packed in _PACKED), ".zip")
"""How the names of files end that are read."""
_SHOWN = 20
"""Files of a data set that a plan names."""


def plan_of(
    job: Job,
    settings: Settings,
    database: Database,
    *,
    fetch: Fetch = refuse_fetch,
    look_up: LookUp = call_now,
) -> Plan:
    """Return what the job would make and take; its data is read if it is at hand.

    Args:
        job: what to plan, its models of the hub at commits (`pin`).
        settings: of this process.
        database: the registry.
        fetch: gets data sets of the hub; without it they are not at hand.
        look_up: bounds each look-up of a model at the hub.

    Raises:
        UnknownName: a model or data set is nowhere.
        BadSpec: the student cannot be cut from the teacher, or from a candidate, and the like.
        BadData, BadModel: what is there is broken.
    """
    config = partial(
        config_of, project=job.project, settings=settings, database=database, look_up=look_up
    )
    planned = plan(job, _splits(job, settings, fetch), config_of=config)
    cache = settings.home / "hub"
    return replace(
        planned,
        hub=tuple(_hub_files(job, cache, look_up)),
        hub_data=tuple(_hub_data(job, cache, look_up)),
    )


def pin(job: Job, settings: Settings, database: Database, *, look_up: LookUp = call_now) -> Job:
    """Return the job with each model and data set as one that stays the same.

    That is one of the hub at the commit that its revision is now, and a model of the registry at
    the number that is its newest. A job that names nothing else is returned as it is.

    Raises:
        UnknownName: there is no such model, data set or revision.
        Unreachable: the hub does not answer, and has not said before what the revision is.
    """
    return next(pin_all([job], settings, database, look_up=look_up))


def pin_all(
    jobs: Iterable[Job], settings: Settings, database: Database, *, look_up: LookUp = call_now
) -> Iterator[Job]:
    """Yield each job as `pin` returns it; whatever several of them name is looked for once.

    Raises:
        UnknownName, Unreachable: as `pin`, with the field among its `fields`.
    """
    known: dict[tuple[str, Floating], str] = {}
    for job in jobs:
        names: dict[str, str] = {}
        for field, source in unpinned_sources(job):
            key = (job.project, source)
            try:
                if key not in known:
                    known[key] = _pinned_name(source, job.project, settings, database, look_up)
            except (UnknownName, Unreachable) as error:
                name = str(source) if isinstance(source, HubData) else source_text(source)
                bad = BadFields([BadField(field, name, str(error))])
                raise type(error)(f"{field}: {error}").with_fields(bad) from None
            names[field] = known[key]
        yield with_names(job, names) if names else job


def _pinned_name(
    source: Floating, project: str, settings: Settings, database: Database, look_up: LookUp
) -> str:
    cache = settings.home / "hub"
    match source:
        case Hub():
            return source_text(look_up(partial(ask_hub, resolve, source, cache)))
        case HubData():
            return str(look_up(partial(ask_hub, resolve_data, source, cache)))
        case Registered():
            with database.read() as session:
                row = versions.find(session, project, source.name, source.version)
            return source_text(replace(source, version=str(row.number)))
        case _:
            assert_never(source)


def _hub_files(job: Job, cache: Path, look_up: LookUp) -> Iterator[HubFiles]:
    """Yield what is taken of each model of the hub that the job names, each once."""
    sources = [source_of(model) for _, model in job.models()]
    for source in dict.fromkeys(one for one in sources if isinstance(one, Hub)):
        name = source_text(source)
        try:
            layout, _ = look_up(partial(ask_hub, inspect_repository, source, cache))
            yield HubFiles(name, layout.files, layout.imported)
        except BadModel as error:
            yield HubFiles(name, refused=str(error).removeprefix(f"{name}: "))


def _hub_data(job: Job, cache: Path, look_up: LookUp) -> Iterator[HubDataFiles]:
    """Yield what there is of each data set of the hub that the job names, each once."""
    sources = map(data_source_of, job.data.names.values())
    for source in dict.fromkeys(one for one in sources if isinstance(one, HubData)):
        try:
            yield _data_files(source, look_up(partial(ask_hub, list_data_files, source, cache)))
        except (BadData, Unreachable) as error:  # the job has no need of the list
            yield HubDataFiles(str(source), why=str(error))


def _data_files(source: HubData, files: Sequence[tuple[str, int]]) -> HubDataFiles:
    readable = [(path, size) for path, size in files if path.lower().endswith(_DATA_FILES)]
    script = f"{source.repository.partition('/')[2]}.py"
    if any(path == script for path, _ in files):
        refused = (
            f"it is loaded by a program of its own, {script}, and none is run: take a copy in "
            "Parquet, such as its revision refs/convert/parquet"
        )
        return HubDataFiles(str(source), refused=refused)
    if not readable:
        refused = f"it has no file of data: expected some of *{', *'.join(_TEXTS)}"
        return HubDataFiles(str(source), refused=refused)
    shown = tuple(path for path, _ in readable[:_SHOWN])
    return HubDataFiles(str(source), shown, len(readable), sum(size for _, size in readable))


def _splits(job: Job, settings: Settings, fetch: Fetch) -> Splits | BadSpec:
    """Return the examples of the job, or why they are not at hand."""
    try:
        return load(job.data, task=find(job.task), root=settings.data, fetch=fetch)
    except BadSpec as error:
        return error


def config_of(
    source: Source,
    *,
    project: str,
    settings: Settings,
    database: Database,
    look_up: LookUp = call_now,
) -> Config:
    """Return the config of a model; of a hub repository, that one file is fetched.

    Raises:
        UnknownName: the model is nowhere.
        Unreachable: the hub does not answer.
        BadModel: its config cannot be read, or is larger than any that makes sense.
    """
    match source:
        case Hub():
            cache = settings.home / "hub"
            return read_config(look_up(partial(ask_hub, fetch_config, source, cache)))
        case Registered(name, version):
            with database.read() as session:
                row = versions.find(session, project, name, version)
            return _registered_config(row, settings.artifact_root)
        case Local() | Folder():
            return read_config(find_local(source, settings))
        case Architecture():
            raise BadSpec("an architecture is its own config")
        case _:
            assert_never(source)


def check_sizes(job: Job, settings: Settings, *, known: ConfigOf | None = None) -> None:
    """Raise an error if it is known at once that no student can be made of what it starts from.

    Neither the network nor the data is asked: a model of the hub or of the registry is looked at
    by the job's first stage.

    Args:
        job: what is posted.
        settings: of this process.
        known: gives the config of a model of this machine, where it was read before.

    Raises:
        BadSpec: more layers than there are, heads that do not share the width, and the like.
        BadModel: the config of a model of this machine cannot be read.
    """
    if any(isinstance(source_of(model), Hub | Registered) for _, model in job.models()):
        return
    # one label is as good as another: they are in the head, which every student has
    plan(
        job, Splits([], [], [], ("O",)), config_of=known or partial(local_config, settings=settings)
    )


def local_config(source: Source, settings: Settings) -> Config:
    """Return the config of a model of this machine.

    Raises:
        UnknownName: it is not there.
        BadModel: its config cannot be read.
    """
    assert isinstance(source, Local | Folder)
    return read_config(find_local(source, settings))


def find_local(source: Local | Folder, settings: Settings) -> Path:
    """Return the folder of a model of this machine.

    Raises:
        UnknownName: it is not there.
    """
    return locate(source, models=settings.models, cache=settings.home / "hub").folder


def _registered_config(version: Version, root: str) -> Config:
    """Return the config of a version, read through a folder, which the store may not have."""
    entry = next(file for file in version.files if file.name == "config.json")
    with tempfile.TemporaryDirectory() as folder, open_artifact(root, version, entry) as opened:
        (Path(folder) / entry.name).write_bytes(opened.read())
        return read_config(Path(folder))
