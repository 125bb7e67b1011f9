"""The check of a job: all that it needs is there and fits together, before anything is spent."""

import math
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import fsspec

from alambique.cache.shared import RedisPacks
from alambique.models.configs import read_config
from alambique.models.networks import Network
from alambique.models.networks import load as load_network
from alambique.models.sources import LocatedModel, check_folder, locate
from alambique.models.weights import model_hash, weights_hash
from alambique.registry import versions
from alambique.registry.records import Version
from alambique.runtime.windows import Encoder
from alambique.spec.compression import Format
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
    source_text,
)
from alambique.spec.states import StageName, StudentRole
from alambique.spec.teachers import TeacherEntry
from alambique.tasks.data import Splits, load
from alambique.tasks.examples import FILE, Example, content_hash, intact, write
from alambique.tasks.plan import plan
from alambique.tasks.search_values import check_values, checked_combinations
from alambique.workers.compute_resources import (
    ComputeResources,
    needed_resources,
    too_large_message,
)
from alambique.workers.hub_data import HubFetcher
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import (
    CheckResult,
    DataSet,
    InitialModel,
    Unlabelled,
    model_name,
)
from alambique.workers.pipeline.stage import find_done, locate_stage
from alambique.workers.stages.artifacts import fetch_model
from alambique.workers.stages.fitting import (
    check_fine_tuned,
    check_head,
    check_learning,
    check_live_teacher,
    check_teaching,
)
from alambique.workers.stages.teach import fine_tune_stages

_COPIES = 12
"""Times a network's float32 weights are written: starts, best weights, two checkpoints with their
two moments each, the files of its version; and some to spare."""
_KEPT = 2
"""Times the weights of a run of fine-tuning are there when it is over: the best ones, and the files
of its version."""

_PACKAGES = {Format.OPENVINO: ("openvino",), Format.OPENVINO_INT8: ("openvino", "nncf")}
"""What makes a format, of those that the extra `workers` does not bring."""


def check_job(context: JobContext) -> CheckResult:
    """Return what the later stages work with.

    Raises:
        UnknownName: a data set or model that is not there.
        NoData: the files of a data set are not at hand.
        Unreachable: the hub does not answer.
        BadData: broken data.
        BadModel: a folder that cannot be loaded.
        LabelMismatch: a fine-tuned teacher with other labels.
        BadTeacher: one that has no head for the task.
        BadSpec: sizes that do not fit, or a format whose engine is not installed.
        NotEnoughDisk: the plan needs more than there is.
    """
    job = context.job
    _check_names(context)
    _check_resources(context)
    _check_stores(context)
    _check_formats(job.compress.formats)
    context.report(StageName.CHECK, 0.0, message="reading the data")
    fetch = HubFetcher(context.settings.home.absolute(), log=context.log).fetch
    splits = load(job.data, task=context.task, root=context.settings.data, fetch=fetch)
    for wrong in splits.wrong_sizes:
        raise BadData(wrong)
    for warning in splits.warnings:
        context.log(f"warning: {warning}")
    data = _write_examples(context, splits)
    context.report(StageName.CHECK, 0.5, message="looking at the models")
    teachers = tuple(
        tuple(
            _check_teacher(context, teacher, field, candidate.model, data.labels)
            for field, candidate in teacher.named_candidates
        )
        for teacher in job.teachers
    )
    student = _check_initial_student(context, data.labels)
    check_values(checked_combinations(job), partial(check_head, student=student))
    # terms that compare layers have one teacher, says the spec
    for (field, _), initial in zip(job.teachers[0].named_candidates, teachers[0], strict=True):
        check_live_teacher(job, field, initial, student)
    inputs = CheckResult(data=data, initial_teachers=teachers, initial_student=student)
    _check_disk(replace(context, check_result=inputs), splits)
    context.report(StageName.CHECK, 1.0, message=_describe_counts(data))
    return inputs


def _write_examples(context: JobContext, splits: Splits) -> DataSet:
    """Write the examples as files that are named by their content."""
    by_split: Mapping[Split, list[Any]] = {
        "train": splits.train,
        "dev": splits.dev,
        "test": splits.test,
    }
    hashes = {split: content_hash(examples) for split, examples in by_split.items()}
    unlabelled = None
    if splits.unlabelled:
        digest = content_hash(splits.unlabelled)
        unlabelled = Unlabelled(
            file=_write_file(context, digest, splits.unlabelled),
            hash=digest,
            count=len(splits.unlabelled),
        )
    return DataSet(
        name=context.job.data.name,
        test_name=context.job.data.test or context.job.data.name,
        files={
            split: _write_file(context, hashes[split], examples)
            for split, examples in by_split.items()
        },
        hashes=hashes,
        counts={split: len(examples) for split, examples in by_split.items()},
        labels=splits.labels,
        unlabelled=unlabelled,
        warnings=splits.warnings,
    )


def _write_file(context: JobContext, digest: str, examples: Sequence[Example]) -> Path:
    path = context.settings.home.absolute() / "examples" / digest / FILE
    if not intact(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, examples)
    return path


def _check_names(context: JobContext) -> None:
    """Raise `BadSpec` if a model that the job will register is known for another task."""
    job = context.job
    roles = []
    for teacher in job.teachers:
        runs = len(teacher.spec.runs)
        roles.append(teacher.role)
        roles += map(teacher.candidate_role, range(1, runs + 1)) if runs > 1 else []
    for role in (*roles, *job.compare, StudentRole.DISTILLED):
        name = model_name(job.name, context.id, role)
        task = context.read(partial(versions.task_of, project=job.project, name=name))
        if task not in (None, job.task):
            raise BadSpec(
                f"name: model {name!r} of project {job.project!r} is for {task}, this job "
                f"for {job.task}: give the job another name"
            )


def _check_resources(context: JobContext) -> None:
    """Raise `BadSpec` if a Ray that is started on this machine cannot hold the job."""
    # how many GPUs there are only Ray can tell
    here = ComputeResources(os.cpu_count() or 1, math.inf)
    needed = needed_resources(context.job)
    if context.settings.ray_address is None and not here.can_hold(needed):
        raise BadSpec(too_large_message(needed, replace(here, gpus=needed.gpus)))


def _check_stores(context: JobContext) -> None:
    """Raise `BadSpec` if the settings name a store of a kind that there is not."""
    settings, setting = context.settings, "ALAMBIQUE_REDIS_URL"
    try:
        if settings.redis_url:
            RedisPacks(settings.redis_url.get_secret_value())
        setting = "ALAMBIQUE_ARTIFACTS"
        fsspec.core.url_to_fs(settings.artifact_root)
    except (ValueError, ImportError) as error:
        raise BadSpec(f"{setting} names no store that can be opened: {error}") from error


def _check_formats(formats: Sequence[Format]) -> None:
    """Raise `BadSpec` if what makes a format is not installed where the job runs."""
    for form in formats:
        missing = [name for name in _PACKAGES.get(form, ()) if find_spec(name) is None]
        if missing:
            raise BadSpec(
                f"compress: {form} is made with {', '.join(missing)}, which is not installed where "
                "this job runs: pip install 'alambique[openvino]' there, or leave the format out"
            )


def _check_teacher(
    context: JobContext,
    teacher: TeacherEntry,
    field: str,
    model: str | Architecture,
    labels: tuple[str, ...],
) -> InitialModel | None:
    """Return the model that teaches, or may come to: whichever it will be, the student fits it."""
    source = source_of(model)
    with teacher.prefix_errors(field):
        initial = _open_model(context, teacher, source, labels)
        if teacher.spec.training is None:
            check_fine_tuned(context.job, teacher, initial, labels)
        check_teaching(teacher, source, initial)
        if teacher.number == 0 and context.job.student.start in ("teacher", "random"):
            check_learning(context.job, source, initial)
    return initial


def _check_initial_student(context: JobContext, labels: tuple[str, ...]) -> InitialModel | None:
    """Return the model that students start from; None: the teacher, or random."""
    job = context.job
    if job.student.start in ("teacher", "random"):
        return None
    source = source_of(job.student.start)
    initial = _open_model(context, job.teachers[0], source, labels)
    check_learning(job, source, initial)
    return initial


def _open_model(
    context: JobContext, teacher: TeacherEntry, source: Source, labels: tuple[str, ...]
) -> InitialModel | None:
    """Return a model's folder, looked through and opened once; None for one from scratch."""
    if isinstance(source, Architecture):
        return None
    located, version = _locate(context, source)
    check_folder(located.folder)
    network = load_network(located.folder, context.task.output, labels)
    Encoder.from_folder(
        located.folder, max_length=teacher.spec.max_length, stride=teacher.spec.stride
    )
    number = located.commit or (str(version.number) if version else None)
    name = source_text(source)
    name = f"{name.partition('@')[0]}@{number}" if number else name
    context.log(*(f"{name}: {line}" for line in (*located.notes, *_load_notes(network))))
    return InitialModel(
        name=name,
        version=version.id if version else None,
        folder=located.folder,
        weights=weights_hash(located.folder),
        content=model_hash(located.folder),
        head=network.head_present,
        sources=dict(located.sources),
    )


def _load_notes(network: Network) -> Iterator[str]:
    """Yield what the log says of weights that the file and the network do not share."""
    for what, names in (
        ("weights are not in the file and newly initialised", network.missing),
        ("weights of the file are not used", network.unexpected),
    ):
        if names:
            yield f"{len(names)} {what}: {named(names, 5)}"


def _locate(
    context: JobContext, source: Hub | Registered | Local | Folder
) -> tuple[LocatedModel, Version | None]:
    """Return where a model is, and which version of the registry it is, if it is one."""
    if isinstance(source, Registered):
        project, name, number = context.job.project, source.name, source.version
        version = context.read(lambda session: versions.find(session, project, name, number))
        return LocatedModel(fetch_model(context.settings, version), None), version
    home = context.settings.home.absolute()
    return locate(source, models=context.settings.models, cache=home / "hub"), None


def _check_disk(context: JobContext, splits: Splits) -> None:
    """Raise `NotEnoughDisk` if the disk lacks what the plan needs besides what is there already."""
    job, inputs = context.job, context.inputs
    models = [
        candidate.model for teacher in job.teachers for _, candidate in teacher.named_candidates
    ]
    initial_models = zip(
        [*models, job.student.start],
        [*chain.from_iterable(inputs.initial_teachers), inputs.initial_student],
        strict=True,
    )
    folders = {str(name): initial.folder for name, initial in initial_models if initial}
    planned = plan(job, splits, config_of=lambda source: read_config(folders[source_text(source)]))
    needed = planned.disk_bytes(_COPIES, kept=_KEPT, runs=_count_runs_left(context))
    home = context.settings.home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free
    if needed > free:
        raise NotEnoughDisk(
            f"the job needs about {size_text(needed)} under {home}, and {size_text(free)} are "
            "free: make room, or set ALAMBIQUE_HOME to a larger disk"
        )


def _count_runs_left(context: JobContext) -> Counter[int]:
    """Count the runs of each candidate that are not done yet.

    Candidates are numbered from 0 over all teachers of the job.
    """
    first = [0, *accumulate(len(teacher.named_candidates) for teacher in context.job.teachers)]
    return Counter(
        first[stage.teacher.number] + stage.settings.candidate
        for stage in fine_tune_stages(context)
        if find_done(context, locate_stage(context, stage)) is None
    )


def _describe_counts(data: DataSet) -> str:
    counts = [f"{number} {split}" for split, number in data.counts.items()]
    if data.unlabelled:
        counts.append(f"{data.unlabelled.count} unlabelled")
    return ", ".join(counts) + " examples"
