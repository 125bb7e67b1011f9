"""Job files and overrides: from text to a `Job`, with the path of each bad field."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from alambique.spec.errors import BadSpec
from alambique.spec.job import Job


@dataclass(frozen=True, slots=True)
class BadField:
    """One field of a job that cannot stay as it is."""

    path: str
    found: str
    message: str


def read_job(text: str, overrides: Iterable[str] = ()) -> Job:
    """The job that a YAML text describes, with each `path=value` of `overrides` set in it.

    Raises:
        BadSpec: the text is not YAML, or a field is wrong; each bad field on a line of its own.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadSpec(f"not a job file: {error}") from error
    if not isinstance(content, dict):
        raise BadSpec(f"a job file is a mapping of fields, found {type(content).__name__}")
    for override in overrides:
        content = _overridden(content, override)
    return job_of(content)


def job_of(content: Mapping[str, Any]) -> Job:
    """The job that a mapping describes.

    Raises:
        BadSpec: a field is wrong; each bad field on a line of its own.
    """
    try:
        return Job.model_validate(content)
    except ValidationError as error:
        lines = (f"{bad.path}: {bad.message} (found {bad.found})" for bad in bad_fields(error))
        raise BadSpec("\n".join(lines)) from error


def bad_fields(error: ValidationError) -> list[BadField]:
    """Each field that pydantic refused, by its path in the job.

    >>> try:
    ...     Job.model_validate({"task": "named-entities", "layer": 3})
    ... except ValidationError as error:
    ...     [bad.path for bad in bad_fields(error)]
    ['data', 'teacher', 'student', 'layer']
    """
    return [
        BadField(_path(line["loc"]), _short(line["input"]), _said(line["type"], line["msg"]))
        for line in error.errors(include_url=False)
    ]


def _path(location: tuple[int | str, ...]) -> str:
    # a union puts its branches' names into the location; fields are lower-case words
    words = [str(part) for part in location if isinstance(part, int) or part.islower()]
    return ".".join(word for word in words if "[" not in word) or "job"


def _said(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "no such field: check its spelling, or leave it out"
    return message.removeprefix("Value error, ")


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def _overridden(content: dict[str, Any], override: str) -> dict[str, Any]:
    path, sign, value = override.partition("=")
    if not sign or not path:
        raise BadSpec(f"--set takes path=value, found {override!r}")
    changed: dict[str, Any] = _with(content, path.split("."), yaml.safe_load(value))
    return changed


def _with(content: object, path: list[str], value: object) -> Any:
    """`content` with `value` at `path`; missing mappings on the way are made."""
    head, *rest = path
    if isinstance(content, list):
        index = int(head) if head.isdigit() and int(head) < len(content) else None
        if index is None:
            raise BadSpec(f"--set: {head!r} is no index of a list of {len(content)}")
        inner = _with(content[index], rest, value) if rest else value
        return [*content[:index], inner, *content[index + 1 :]]
    before = content if isinstance(content, dict) else {} if content is None else {"name": content}
    return before | {head: _with(before.get(head), rest, value) if rest else value}
