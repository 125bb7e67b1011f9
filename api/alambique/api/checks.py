"""Checks of a posted job before a row is written: whether all that it names exists."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial

from alambique.api.columns import bad_metrics
from alambique.api.context import Context
from alambique.api.hub import LookUp
from alambique.api.planning import check_sizes, find_local, local_config, pin_all
from alambique.api.problems import Refusal, bad_fields
from alambique.registry import versions
from alambique.spec.data import Split
from alambique.spec.data_sources import is_own
from alambique.spec.errors import BadModel, BadSpec, UnknownName
from alambique.spec.field_errors import NAMED, BadField
from alambique.spec.job import Job
from alambique.spec.matrix import field_at
from alambique.spec.sources import Local, Registered, Source, source_of
from alambique.spec.suite import Cell, Suite
from alambique.tasks.all import find
from alambique.tasks.catalogue import dataset
from alambique.tasks.data import check_description
from alambique.tasks.goals import bad_goals

_MAX_SIZE_CHECKS = 500
"""Models of a suite whose sizes are checked against its students, at a millisecond each; the first
stage of each job checks its own."""


def check(job: Job, context: Context) -> None:
    """Raise `Refusal` if the job cannot be queued.

    Raises:
        Refusal: it names a path of this machine, or something that does not exist.
    """
    code, fields = _faults_of(job, _LookUps(context, [job]))
    if fields:
        raise Refusal(bad_fields(code, fields))


def check_suite(suite: Suite, planned: Sequence[tuple[Cell, Job]], context: Context) -> None:
    """Raise `Refusal` if one of the jobs of the suite cannot be queued.

    Raises:
        Refusal: one of them cannot; the fields are those of the suite.
    """
    wrong: dict[str, tuple[str, BadField]] = {}
    look_ups = _LookUps(context, [job for _, job in planned])
    size_checks_left = _MAX_SIZE_CHECKS
    for bad in bad_metrics(suite):
        wrong[bad.path] = "bad_spec", bad
    for cell, job in planned:
        if len(wrong) > NAMED:
            break
        if cell.seed not in (None, *suite.seeds[:1]):
            continue  # no seed makes a job wrong
        code, fields = _faults_of(job, look_ups)
        if not fields and size_checks_left > 0:
            size_checks_left -= sum(1 for _ in job.models())
            fields = list(_size_faults(job, context, look_ups))
        for bad in fields:
            path = field_at(suite, cell, bad.path)
            wrong.setdefault(path, (code, BadField(path, bad.found, bad.message)))
    if wrong:
        raise Refusal(bad_fields(next(iter(wrong.values()))[0], [bad for _, bad in wrong.values()]))


def pin_names(
    jobs: Iterable[Job],
    context: Context,
    look_up: LookUp,
    place: Callable[[int, str], str] = lambda _, path: path,
) -> list[Job]:
    """Return the jobs with each model and data set pinned to what its name means now.

    Args:
        jobs: the posted jobs.
        context: the context of the server.
        look_up: bounds the look-ups at the hub of this request.
        place: maps the index of a job and a field of it to a field of the request.

    Raises:
        Refusal: there is no such model, data set or revision.
        Unreachable: the hub does not answer in time.
    """
    pinned: list[Job] = []
    try:
        for job in pin_all(jobs, context.settings, context.database, look_up=look_up):
            pinned.append(job)
    except UnknownName as error:
        # the jobs before the one that failed are pinned already
        said = [replace(bad, path=place(len(pinned), bad.path)) for bad in error.fields]
        raise Refusal(bad_fields("unknown_name", said)) from error
    return pinned


class _LookUps:
    """Looks up the models that the jobs of one request name, each of them once."""

    def __init__(self, context: Context, jobs: Iterable[Job]) -> None:
        self._context = context
        self._messages: dict[tuple[str, str], str | None] = {}
        self._registered = _existing_versions(context, jobs)
        self._unregistered = 0
        self.config = cache(partial(local_config, settings=context.settings))
        """Reads the config of a model of this machine, each of them once."""

    def message(self, project: str, model: str) -> str | None:
        """Return the message on a model that does not exist; None if it does."""
        if (project, model) not in self._messages:
            self._messages[project, model] = self._absence(project, source_of(model))
        return self._messages[project, model]

    def _absence(self, project: str, source: Source) -> str | None:
        if isinstance(source, Registered):
            if (source.name, source.version) in self._registered.get(project, ()):
                return None
            self._unregistered += 1
            if self._unregistered > NAMED:  # no refusal shows so many
                return "there is no such version"
        try:
            if isinstance(source, Local):
                find_local(source, self._context.settings)
            elif isinstance(source, Registered):
                with self._context.database.read() as session:
                    versions.find(session, project, source.name, source.version)
        except UnknownName as error:
            return str(error)
        return None


def _existing_versions(context: Context, jobs: Iterable[Job]) -> dict[str, set[tuple[str, str]]]:
    """Return the names with versions that jobs name and the registry has, by project."""
    named_versions: dict[str, set[tuple[str, str]]] = {}
    for job in jobs:
        for _, model in job.models():
            if isinstance(model, str) and isinstance(source := source_of(model), Registered):
                named_versions.setdefault(job.project, set()).add((source.name, source.version))
    if not named_versions:
        return {}
    with context.database.read() as session:
        return {
            project: versions.find_existing(session, project, names)
            for project, names in named_versions.items()
        }


def _faults_of(job: Job, look_ups: _LookUps) -> tuple[str, list[BadField]]:
    """Return the code of a problem, and the bad fields of a job; none if it can be queued."""
    if paths := list(_path_faults(job)):
        return "bad_spec", paths
    # the data and models of an unknown task cannot be checked
    unknown = [*_task_faults(job)] or [*_data_faults(job), *_model_faults(job, look_ups)]
    if unknown:
        return "unknown_name", unknown
    return "bad_spec", [*_description_faults(job), *bad_goals(job)]


def _size_faults(job: Job, context: Context, look_ups: _LookUps) -> Iterator[BadField]:
    try:
        check_sizes(job, context.settings, known=look_ups.config)
    except (BadSpec, BadModel) as error:
        yield from error.fields or [BadField("student", None, str(error))]


def _path_faults(job: Job) -> Iterator[BadField]:
    for path, value in job.paths():
        yield BadField(
            path,
            repr(value),
            "a server opens no path that a job names, only `alambique run` does: name a model or a "
            "data set that the server has",
        )


def _task_faults(job: Job) -> Iterator[BadField]:
    try:
        find(job.task)
    except UnknownName as error:
        yield BadField("task", repr(job.task), str(error))


def _data_faults(job: Job) -> Iterator[BadField]:
    needed: dict[str, tuple[str, tuple[Split, ...]]] = {}
    if job.data.test is None:
        needed["data.name"] = (job.data.name, ("train", "dev", "test"))
    else:
        needed["data.name"] = (job.data.name, ("train", "dev"))
        needed["data.test"] = (job.data.test, ("test",))
    if job.data.unlabelled is not None:
        needed["data.unlabelled"] = (job.data.unlabelled, ("train",))
    for path, (name, splits) in needed.items():
        if is_own(name):
            continue
        try:
            known = dataset(name)
        except UnknownName as error:
            yield BadField(path, repr(name), str(error))
            continue
        if known.task != job.task:
            yield BadField(
                path,
                repr(name),
                f"it is a data set for {known.task}, and the task of the job is {job.task}: name "
                "one for that task, as /v1/data lists them, or give the other task",
            )
        elif lacking := [split for split in splits if split not in known.splits]:
            own_test = ", or another one's test split (data.test)" if lacking == ["test"] else ""
            yield BadField(
                path,
                repr(name),
                f"it has no {' and no '.join(lacking)} split, only {', '.join(known.splits)}: "
                f"name a data set that has it{own_test}",
            )


def _description_faults(job: Job) -> Iterator[BadField]:
    """Yield what the job says of columns or labels of its data that does not suit its task."""
    try:
        check_description(job.data, find(job.task))
    except BadSpec as error:
        yield from error.fields


def _model_faults(job: Job, look_ups: _LookUps) -> Iterator[BadField]:
    for path, model in job.models():
        message = look_ups.message(job.project, model) if isinstance(model, str) else None
        if message is not None:
            yield BadField(path, repr(model), message)
