"""What can be known of a posted job before a row is written: that what it names is there."""

from collections.abc import Iterator

from alambique.api.context import Context
from alambique.api.planning import find_local
from alambique.api.problems import refused
from alambique.registry import versions
from alambique.spec.errors import UnknownName
from alambique.spec.job import Job, Split
from alambique.spec.reading import BadField
from alambique.spec.sources import Local, Registered, source_of
from alambique.tasks.all import find
from alambique.tasks.catalogue import dataset


def check(job: Job, context: Context) -> None:
    """Nothing, where the job can be queued.

    Raises:
        Refused: it names a path of this machine, or something that is not there.
    """
    if paths := list(_paths(job)):
        raise _refused("bad_spec", paths)
    # what data a task that is not there would want, nobody can say
    unknown = [*_unknown_task(job)] or [*_unknown_data(job), *_unknown_models(job, context)]
    if unknown:
        raise _refused("unknown_name", unknown)


def _refused(code: str, fields: list[BadField]) -> Exception:
    return refused(422, code, "\n".join(field.line for field in fields), fields)


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


def _unknown_models(job: Job, context: Context) -> Iterator[BadField]:
    for path, model in job.models():
        source = source_of(model)
        try:
            if isinstance(source, Local):
                find_local(source, context.settings)
            elif isinstance(source, Registered):
                with context.database.read() as session:
                    versions.find(session, job.project, source.name, source.version)
        except UnknownName as error:
            yield BadField(path, repr(model), str(error))
