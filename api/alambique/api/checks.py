"""What can be known of a posted job before a row is written: that what it names is there."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from alambique.api.context import Context
from alambique.api.planning import check_sizes, find_local, pin_all
from alambique.api.problems import refused
from alambique.registry import versions
from alambique.spec.errors import BadModel, BadSpec, UnknownName
from alambique.spec.faults import NAMED
from alambique.spec.job import Job, Split
from alambique.spec.matrix import field_at
from alambique.spec.reading import BadField, BadFields
from alambique.spec.sources import Local, Registered, Source, source_of
from alambique.spec.suite import Cell, Suite
from alambique.tasks.all import find
from alambique.tasks.catalogue import dataset
from alambique.tasks.goals import bad_goals


def check(job: Job, context: Context) -> None:
    """Nothing, where the job can be queued.

    Raises:
        Refused: it names a path of this machine, or something that is not there.
    """
    code, fields = _faults(job, _LookUps(context))
    if fields:
        raise _refused(code, fields)


def check_suite(suite: Suite, planned: Sequence[tuple[Cell, Job]], context: Context) -> None:
    """Nothing, where all jobs of the suite can be queued.

    Raises:
        Refused: one of them cannot; its fields are named where the suite has them.
    """
    wrong: dict[str, tuple[str, BadField]] = {}
    look_ups = _LookUps(context)
    for cell, job in planned:
        if len(wrong) > NAMED:
            break
        code, fields = _faults(job, look_ups)
        for bad in fields or _unfit(job, context):
            path = field_at(suite, cell, bad.path)
            wrong.setdefault(path, (code, BadField(path, bad.found, bad.message)))
    if wrong:
        raise _refused(next(iter(wrong.values()))[0], [bad for _, bad in wrong.values()])


def pinned(jobs: Iterable[Job], context: Context) -> list[Job]:
    """Return the jobs with each model of the hub at the commit that its revision is now.

    Raises:
        Refused: the hub has no such model or revision.
        Unreachable: the hub does not answer in time.
    """
    look_up = partial(context.hub.run, until=context.hub.deadline(), stop=context.stop)
    try:
        return list(pin_all(jobs, context.settings, look_up=look_up))
    except UnknownName as error:
        cause = error.__cause__
        raise _refused("unknown_name", getattr(cause, "fields", ())) from error


class _LookUps:
    """Models that were looked for on behalf of one request: each once, by however many jobs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._messages: dict[tuple[str, str], str | None] = {}

    def message(self, project: str, model: str) -> str | None:
        """Return what to say where a model is not there, or None where it is."""
        if (project, model) not in self._messages:
            try:
                self._look(project, source_of(model))
            except UnknownName as error:
                self._messages[project, model] = str(error)
            else:
                self._messages[project, model] = None
        return self._messages[project, model]

    def _look(self, project: str, source: Source) -> None:
        if isinstance(source, Local):
            find_local(source, self._context.settings)
        elif isinstance(source, Registered):
            with self._context.database.read() as session:
                versions.find(session, project, source.name, source.version)


def _faults(job: Job, look_ups: _LookUps) -> tuple[str, list[BadField]]:
    """The fields that keep a job from being queued, under the code of their problem."""
    if paths := list(_paths(job)):
        return "bad_spec", paths
    # what data a task that is not there would want, nobody can say
    unknown = [*_unknown_task(job)] or [*_unknown_data(job), *_unknown_models(job, look_ups)]
    return ("unknown_name", unknown) if unknown else ("bad_spec", list(bad_goals(job)))


def _unfit(job: Job, context: Context) -> Iterator[BadField]:
    try:
        check_sizes(job, context.settings)
    except (BadSpec, BadModel) as error:
        cause = error.__cause__
        at_once = BadField("student", None, str(error))
        yield from cause.fields if isinstance(cause, BadFields) else [at_once]


def _refused(code: str, fields: Sequence[BadField]) -> Exception:
    found = BadFields(fields)
    return refused(422, code, "\n".join(found.lines), found.fields)


def _paths(job: Job) -> Iterator[BadField]:
    for path, value in job.paths():
        yield BadField(
            path,
            repr(value),
            "a path of a machine is taken by `alambique run` only: name a model or a data set "
            "that the server has",
        )


def _unknown_task(job: Job) -> Iterator[BadField]:
    try:
        find(job.task)
    except UnknownName as error:
        yield BadField("task", repr(job.task), str(error))


def _unknown_data(job: Job) -> Iterator[BadField]:
    asked: dict[str, tuple[str, tuple[Split, ...]]] = {}
    if job.data.test is None:
        asked["data.name"] = (job.data.name, ("train", "dev", "test"))
    else:
        asked["data.name"] = (job.data.name, ("train", "dev"))
        asked["data.test"] = (job.data.test, ("test",))
    if job.data.unlabelled is not None:
        asked["data.unlabelled"] = (job.data.unlabelled, ("train",))
    for path, (name, splits) in asked.items():
        try:
            found = dataset(name)
        except UnknownName as error:
            yield BadField(path, repr(name), str(error))
            continue
        if found.task != job.task:
            yield BadField(path, repr(name), f"it is a data set for {found.task}")
        elif lacking := [split for split in splits if split not in found.splits]:
            yield BadField(path, repr(name), f"it has no {' and no '.join(lacking)} split")


def _unknown_models(job: Job, look_ups: _LookUps) -> Iterator[BadField]:
    for path, model in job.models():
        message = look_ups.message(job.project, model) if isinstance(model, str) else None
        if message is not None:
            yield BadField(path, repr(model), message)
