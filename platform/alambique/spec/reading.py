"""Job files and overrides: from text to a `Job`, with the path of each bad field."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from alambique.spec.documents import Unreadable, from_yaml
from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short
from alambique.spec.field_errors import BadField, bad_fields, refuse
from alambique.spec.field_paths import alpha_objective, with_field
from alambique.spec.job import Job
from alambique.spec.space import bad_dimensions
from alambique.spec.validation_cost import MAX_COST, validation_cost

_NEEDS = "task, data, teacher and student"


def read_job(text: str, overrides: Iterable[str] = ()) -> Job:
    """Return the job that a YAML text describes, with each `path=value` of `overrides` set in it.

    Raises:
        BadSpec: the text is not YAML, or a field is wrong; each bad field on a line of its own.
    """
    content = mapping(yaml_of(text, "not a job file"), "a job file")
    for override in overrides:
        content = with_override(content, override)
    return job_of(content)


def mapping(content: Any, what: str, needs: str = _NEEDS) -> dict[str, Any]:
    """Return the content, after a check that it is a mapping.

    Args:
        content: what a file or a body holds.
        what: what it is said to be.
        needs: the fields that it cannot be without.

    Raises:
        BadSpec: it is something else.
    """
    if isinstance(content, dict):
        return content
    if content is None:
        raise BadSpec(f"{what} is a mapping of fields, and this one is empty: it needs {needs}")
    kind = "a list" if isinstance(content, list) else f"only {short(content)}"
    raise BadSpec(f"{what} is a mapping of fields, found {kind}: write each as `field: value`")


def job_of(content: Mapping[str, Any]) -> Job:
    """Return the job that a mapping describes.

    Raises:
        BadSpec: a field is wrong, each bad one on a line of its own and in its `fields`.
    """
    try:
        job = Job.model_validate(content)
    except ValidationError as error:
        refuse(bad_fields(error, content, Job))
    if job.search is not None and (cost := validation_cost(content)) > MAX_COST:
        refuse(
            [
                BadField(
                    "search.space",
                    None,
                    f"its values, each validated with the whole job, are {cost:,} values to "
                    f"validate, expected at most {MAX_COST:,}: give fewer of them",
                )
            ]
        )
    if wrong := bad_dimensions(job):
        refuse(wrong)
    return job


def with_override(content: dict[str, Any], override: str) -> dict[str, Any]:
    """Return the content with the `path=value` of an override set in it.

    Raises:
        BadSpec: it is no path and value, or the content has no such place.
    """
    path, sign, value = override.partition("=")
    if not sign or not path:
        raise BadSpec(f"--set takes path=value, such as train.epochs=3, found {short(override)}")
    new_value = yaml_of(value, f"--set {path}: no YAML value")
    try:
        return with_field(content, path, new_value)
    except BadSpec as error:
        at = f"{path}: " if alpha_objective(path) else ""
        raise BadSpec(f"--set {at}{error}") from error


def yaml_of(text: str, otherwise: str) -> Any:
    """Return what a YAML text says.

    Raises:
        BadSpec: it is none, which begins with `otherwise`.
    """
    try:
        return from_yaml(text)
    except Unreadable as error:
        raise BadSpec(f"{otherwise}: {error}") from error
