"""Stage 0: all that a job needs is there and fits together. Nothing is spent before this."""

import math
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import fsspec

from alambique.cache.shared import RedisPacks
from alambique.models.configs import read_config
from alambique.models.folders import model_hash
from alambique.models.networks import Network
from alambique.models.networks import load as load_network
from alambique.models.sources import Located, check_folder, locate
from alambique.models.weights import weights_hash
from alambique.registry import versions
from alambique.registry.records import Version
from alambique.runtime.windows import Encoder
from alambique.spec.data import Split
from alambique.spec.disk import size_text
from alambique.spec.errors import BadData, BadSpec, NotEnoughDisk
from alambique.spec.excerpts import named
from alambique.spec.sources import (
    Architecture,
    Folder,
    Hub,
    Local,
    Registered,
    Source,
    source_of,
    written,
)
from alambique.spec.states import Stage
from alambique.spec.teachers import TeacherEntry
from alambique.tasks.all import find
from alambique.tasks.data import Splits, load
from alambique.tasks.examples import FILE, Example, content_hash, intact, write
from alambique.tasks.plan import plan
from alambique.tasks.values import check_values, checked_tries
from alambique.workers.compute_resources import (
    ComputeResources,
    needed_resources,
    too_large_message,
)
from alambique.workers.downloads import fetch_model
from alambique.workers.hub_data import fetcher
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import DataSet, InitialWeights, JobInputs, Unlabelled
from alambique.workers.pipeline.stage import is_done
from alambique.workers.stages.fitting import (
    check_beside,
    check_fine_tuned,
    check_head,
    check_learning,
    check_teaching,
)
from alambique.workers.stages.naming import model_name
from alambique.workers.stages.teach import key_inputs

_COPIES = 12
"""Times a network's float32 weights are written: starts, best weights, two checkpoints with their
two moments each, the files of its version; and some to spare."""
_KEPT = 2
"""Times the weights of a run of fine-tuning are there when it is over: the best ones, and the files
of its version."""


def check(work: JobContext) -> JobInputs:
    """What the later stages work with.

    Raises:
        UnknownName: a data set or model that is not there.
        NoData: the files of a data set are not at hand.
        Unreachable: the hub does not answer.
        BadData: broken data.
        BadModel: a folder that cannot be loaded.
        LabelMismatch: a fine-tuned teacher with other labels.
        BadTeacher: one that has no head for the task.
        BadSpec: sizes that do not fit.
        NotEnoughDisk: the plan needs more than there is.
    """
    job = work.job
    _names(work)
    _machine(work)
    _stores(work)
    work.report(Stage.CHECK, 0.0, message="reading the data")
    fetch = fetcher(work.settings.home.absolute(), tell=work.log)
    splits = load(job.data, task=find(job.task), root=work.settings.data, fetch=fetch)
    for wrong in splits.wrong_sizes:
        raise BadData(wrong)
    for warning in splits.warnings:
        work.log(f"warning: {warning}")
    data = _stored(work, splits)
    work.report(Stage.CHECK, 0.5, message="looking at the models")
    teachers = tuple(
        tuple(
            _teacher(work, one, field, candidate.model, data.labels)
            for field, candidate in one.named
        )
        for one in job.teachers
    )
    student = _student_start(work, data.labels)
    check_values(checked_tries(job), partial(check_head, student=student))
    # terms that compare layers have one teacher, says the spec
    for (field, _), teacher in zip(job.teachers[0].named, teachers[0], strict=True):
        check_beside(job, field, teacher, student)
    checked = JobInputs(data=data, teachers=teachers, student=student)
    _room(work, checked, splits)
    work.report(Stage.CHECK, 1.0, message=_counted(data))
    return checked


def _stored(work: JobContext, splits: Splits) -> DataSet:
    """The examples as files, named by their content."""
    by_split: Mapping[Split, list[Any]] = {
        "train": splits.train,
        "dev": splits.dev,
        "test": splits.test,
    }
    hashes = {split: content_hash(examples) for split, examples in by_split.items()}
    return DataSet(
        name=work.job.data.name,
        test_name=work.job.data.test or work.job.data.name,
        files={split: _file(work, hashes[split], examples) for split, examples in by_split.items()},
        hashes=hashes,
        counts={split: len(examples) for split, examples in by_split.items()},
        labels=splits.labels,
        unlabelled=_unlabelled(work, splits.unlabelled),
    )


def _unlabelled(work: JobContext, examples: Sequence[Any]) -> Unlabelled | None:
    if not examples:
        return None
    digest = content_hash(examples)
    return Unlabelled(file=_file(work, digest, examples), hash=digest, count=len(examples))


def _file(work: JobContext, digest: str, examples: Sequence[Example]) -> Path:
    path = work.settings.home.absolute() / "examples" / digest / FILE
    if not intact(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, examples)
    return path


def _names(work: JobContext) -> None:
    """Whether the models that the job will register may be called so.

    Raises:
        BadSpec: one of that name is for another task.
    """
    for role in (*_teachers(work), *work.job.compare, "distilled"):
        name = model_name(work.job.name, work.id, role)
        task = work.read(partial(versions.task_of, project=work.job.project, name=name))
        if task not in (None, work.job.task):
            raise BadSpec(
                f"name: model {name!r} of project {work.job.project!r} is for {task}, this job "
                f"for {work.job.task}: give the job another name"
            )


def _teachers(work: JobContext) -> list[str]:
    """The roles of the teachers, and of the runs of which one will teach."""
    roles = []
    for one in work.job.teachers:
        runs = len(one.said.runs)
        roles.append(one.role)
        roles += map(one.candidate_role, range(1, runs + 1)) if runs > 1 else []
    return roles


def _machine(work: JobContext) -> None:
    """Whether a Ray that is started here can hold the job.

    Raises:
        BadSpec: it cannot.
    """
    # how many GPUs there are only Ray can tell
    here = ComputeResources(os.cpu_count() or 1, math.inf)
    if work.settings.ray_address is None and not here.can_hold(
        wanted := needed_resources(work.job)
    ):
        raise BadSpec(too_large_message(wanted, replace(here, gpus=wanted.gpus)))


def _stores(work: JobContext) -> None:
    """Whether the settings name stores of kinds that there are.

    Raises:
        BadSpec: one does not.
    """
    settings, setting = work.settings, "ALAMBIQUE_REDIS_URL"
    try:
        if settings.redis_url:
            RedisPacks(settings.redis_url.get_secret_value())
        setting = "ALAMBIQUE_ARTIFACTS"
        fsspec.core.url_to_fs(settings.artifact_root)
    except (ValueError, ImportError) as error:
        raise BadSpec(f"{setting} names no store that can be opened: {error}") from error


def _teacher(
    work: JobContext,
    teacher: TeacherEntry,
    field: str,
    model: str | Architecture,
    labels: tuple[str, ...],
) -> InitialWeights | None:
    """The model that teaches, or may come to: whichever it will be, the student fits it."""
    source = source_of(model)
    with teacher.telling(field):
        found = _found(work, teacher, source, labels)
        if teacher.said.training is None:
            check_fine_tuned(work.job, teacher, found, labels)
        check_teaching(teacher, source, found)
        if teacher.number == 0 and work.job.student.start in ("teacher", "random"):
            check_learning(work.job, source, found)
    return found


def _found(
    work: JobContext, teacher: TeacherEntry, source: Source, labels: tuple[str, ...]
) -> InitialWeights | None:
    """The model's folder, looked through and opened once; None for one from scratch."""
    if isinstance(source, Architecture):
        return None
    located, version = _located(work, source)
    check_folder(located.folder)
    network = load_network(located.folder, find(work.job.task).output, labels)
    Encoder.from_folder(
        located.folder, max_length=teacher.said.max_length, stride=teacher.said.stride
    )
    found = located.commit or (str(version.number) if version else None)
    name = written(source)
    name = f"{name.partition('@')[0]}@{found}" if found else name
    work.log(*(f"{name}: {line}" for line in (*located.notes, *_load_notes(network))))
    return InitialWeights(
        name=name,
        version=version.id if version else None,
        folder=located.folder,
        weights=weights_hash(located.folder),
        content=model_hash(located.folder),
        head=network.head_present,
        sources=dict(located.sources),
    )


def _load_notes(network: Network) -> Iterator[str]:
    """What the log says of weights that the file and the network do not share."""
    for what, names in (
        ("weights are not in the file and newly initialised", network.missing),
        ("weights of the file are not used", network.unexpected),
    ):
        if names:
            yield f"{len(names)} {what}: {named(names, 5)}"


def _located(
    work: JobContext, source: Hub | Registered | Local | Folder
) -> tuple[Located, Version | None]:
    """Where the model is, and which version of the registry, where it is one."""
    if isinstance(source, Registered):
        project, name, number = work.job.project, source.name, source.version
        version = work.read(lambda session: versions.find(session, project, name, number))
        return Located(fetch_model(work.settings, version), None), version
    home = work.settings.home.absolute()
    return locate(source, models=work.settings.models, cache=home / "hub"), None


def _student_start(work: JobContext, labels: tuple[str, ...]) -> InitialWeights | None:
    start = work.job.student.start
    if start in ("teacher", "random"):
        return None
    found = _found(work, work.job.teachers[0], source_of(start), labels)
    check_learning(work.job, source_of(start), found)
    return found


def _room(work: JobContext, checked: JobInputs, splits: Splits) -> None:
    """Whether the disk has what the plan needs beside what is there already.

    Raises:
        NotEnoughDisk: it has not.
    """
    teachers = work.job.teachers
    models = [candidate.model for one in teachers for _, candidate in one.named]
    starts = zip(
        [*models, work.job.student.start],
        [*chain.from_iterable(checked.teachers), checked.student],
        strict=True,
    )
    folders = {str(name): start.folder for name, start in starts if start}
    planned = plan(work.job, splits, config_of=lambda source: read_config(folders[written(source)]))
    needed = planned.disk_bytes(_COPIES, kept=_KEPT, runs=_left(work, checked))
    work.settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(work.settings.home).free
    if needed > free:
        raise NotEnoughDisk(
            f"the job needs about {size_text(needed)} under {work.settings.home}, and "
            f"{size_text(free)} are free: make room, or set ALAMBIQUE_HOME to a larger disk"
        )


def _left(work: JobContext, checked: JobInputs) -> Counter[int]:
    """How many runs of each candidate are to be done, by its number among those of all teachers."""
    left, numbers = Counter[int](), count()
    for one in work.job.teachers:
        number = {candidate: next(numbers) for candidate in range(len(one.named))}
        for run in one.said.runs:
            if not is_done(work, Stage.TEACH, key_inputs(work, checked, one, run)):
                left[number[run.candidate]] += 1
    return left


def _counted(data: DataSet) -> str:
    counts = [f"{number} {split}" for split, number in data.counts.items()]
    if data.unlabelled:
        counts.append(f"{data.unlabelled.count} unlabelled")
    return ", ".join(counts) + " examples"
