"""Job files and overrides: from text to a `Job`, with the path of each bad field."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from alambique.spec.errors import BadSpec
from alambique.spec.faults import BadField, BadFields, bad_fields, refuse, short
from alambique.spec.job import Job
from alambique.spec.overlay import with_value
from alambique.spec.space import faults

__all__ = [
    "BadField",
    "BadFields",
    "JobLoader",
    "bad_fields",
    "job_of",
    "mapping",
    "overridden",
    "read_job",
    "with_value",
    "yaml_of",
]

_NEEDS = "task, data, teacher and student"


class JobLoader(yaml.SafeLoader):
    """YAML in which no mapping has a key twice: of two values, one would be lost unsaid."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node; as in YAML, but for that."""
        seen = set[str]()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: {key.value} is given a second time: keep one")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_job(text: str, overrides: Iterable[str] = ()) -> Job:
    """The job that a YAML text describes, with each `path=value` of `overrides` set in it.

    Raises:
        BadSpec: the text is not YAML, or a field is wrong; each bad field on a line of its own.
    """
    content = mapping(yaml_of(text, "not a job file"), "a job file")
    for override in overrides:
        content = overridden(content, override)
    return job_of(content)


def mapping(content: Any, what: str, needs: str = _NEEDS) -> dict[str, Any]:
    """The content, which is a mapping.

    Args:
        content: what a file or a body holds.
        what: what it is told to be.
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
    """The job that a mapping describes.

    Raises:
        BadSpec: a field is wrong, each bad one on a line of its own; its cause is `BadFields`.
    """
    try:
        job = Job.model_validate(content)
    except ValidationError as error:
        refuse(bad_fields(error, content))
    if wrong := faults(job):
        refuse(wrong)
    return job


def overridden(content: dict[str, Any], override: str) -> dict[str, Any]:
    """The content with the `path=value` of an override set in it.

    Raises:
        BadSpec: it is no path and value, or the content has no such place.
    """
    path, sign, value = override.partition("=")
    if not sign or not path:
        raise BadSpec(f"--set takes path=value, found {override!r}")
    given = yaml_of(value, f"--set {path}: no YAML value")
    try:
        return with_value(content, path, given)
    except BadSpec as error:
        raise BadSpec(f"--set {error}") from error


def yaml_of(text: str, otherwise: str) -> Any:
    """What a YAML text says.

    Raises:
        BadSpec: it is none, which begins with `otherwise`.
    """
    try:
        return yaml.load(text, JobLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: of a date that there is not
        raise BadSpec(f"{otherwise}: {error}") from error
    except RecursionError as error:
        raise BadSpec(f"{otherwise}: it is nested too deeply") from error
