"""Pinning the models and data sets that a job names: to commits and to numbers of versions."""

from collections.abc import Iterator, Mapping
from functools import reduce
from operator import getitem
from typing import Any

from alambique.spec.data_sources import HubData, data_source_of
from alambique.spec.job import Job
from alambique.spec.reading import job_of
from alambique.spec.sources import Hub, Registered, source_of

Floating = Hub | Registered | HubData
"""Sources whose name may mean something else later."""


def unpinned_sources(job: Job) -> Iterator[tuple[str, Floating]]:
    """Yield each field that names a model or data set which may change, with its source.

    That is one of the hub at something else than a commit, and a model of the registry at an alias
    or at its newest version.
    """
    for field, model in job.models():
        source = source_of(model)
        if isinstance(source, Hub | Registered) and not source.is_pinned:
            yield field, source
    for field, name in job.data.names.items():
        data = data_source_of(name)
        if isinstance(data, HubData) and not data.is_pinned:
            yield f"data.{field}", data


def with_names(job: Job, names: Mapping[str, str]) -> Job:
    """Return the job with other texts in fields that name a model or a data set.

    Args:
        job: as it was written.
        names: from the path of a field, such as teacher.candidates.1.model, to its new text.
    """
    content: Any = job.model_dump(mode="json")
    for field, text in names.items():
        *above, last = (int(part) if part.isdecimal() else part for part in field.split("."))
        reduce(getitem, above, content)[last] = text
    if job.search and "student.start" in names:
        old_start, new = job.student.start, names["student.start"]
        space = content["search"]["space"]
        for field in {"student", "student.start"} & space.keys():
            space[field] = [_with_start(value, old_start, new) for value in space[field]]
    return job_of(content)


def _with_start(value: Any, old: object, new: str) -> Any:
    """Return a student of a search space, or its start, with the model `new` in place of `old`."""
    if isinstance(value, dict):
        return value | ({"start": new} if value.get("start") == old else {})
    return new if value == old else value
