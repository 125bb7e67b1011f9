"""Job files and overrides: from text to a `Job`, with the path of each bad field."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from alambique.spec.errors import BadSpec
from alambique.spec.expected import expected, kind_of
from alambique.spec.job import Job

_NEEDS = "task, data, teacher and student"


@dataclass(frozen=True, slots=True)
class BadField:
    """One field of a job that cannot stay as it is."""

    path: str
    found: str | None
    """None where the field is missing, or the fault is of the mapping as a whole."""
    message: str

    @property
    def line(self) -> str:
        """All of it."""
        found = "" if self.found is None else f" (found {self.found})"
        return f"{self.path}: {self.message}{found}"


class BadFields(ValueError):
    """All fields for which a mapping is no job."""

    def __init__(self, fields: Sequence[BadField]) -> None:
        """Such fields, in the order of the job."""
        super().__init__(fields)
        self.fields = tuple(fields)


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
    kind = "a list" if isinstance(content, list) else f"only {_short(content)}"
    raise BadSpec(f"{what} is a mapping of fields, found {kind}: write each as `field: value`")


def job_of(content: Mapping[str, Any]) -> Job:
    """The job that a mapping describes.

    Raises:
        BadSpec: a field is wrong, each bad one on a line of its own; its cause is `BadFields`.
    """
    try:
        return Job.model_validate(content)
    except ValidationError as error:
        fields = bad_fields(error, content)
    raise BadSpec("\n".join(bad.line for bad in fields)) from BadFields(fields)


def bad_fields(error: ValidationError, content: object, *, whole: str = "job") -> list[BadField]:
    """Each field of `content` that pydantic refused, by its path in it; `whole` stands for all.

    >>> content = {"task": "named-entities", "layer": 3}
    >>> try:
    ...     Job.model_validate(content)
    ... except ValidationError as error:
    ...     [bad.path for bad in bad_fields(error, content)]
    ['data', 'teacher', 'student', 'layer']
    """
    return [_bad_field(line, content, whole) for line in error.errors(include_url=False)]


def _bad_field(line: ErrorDetails, content: object, whole: str) -> BadField:
    kind, value, location = kind_of(line), line["input"], line["loc"]
    if kind == "invalid_key":  # a name that is no text makes no path: the mapping has one
        location = location[: -2 if location[-1] == "[key]" else -1]
    path = ".".join(_path(location, content, lacking=kind == "missing")) or whole
    unsaid = kind == "missing" or (kind == "value_error" and isinstance(value, dict))
    return BadField(path, None if unsaid else _short(value), expected(line))


def _path(location: tuple[int | str, ...], content: object, *, lacking: bool) -> Iterator[str]:
    """The parts of a location that are of the content: a union adds its branches' names."""
    *above, last = location or ("",)
    for part in above:
        if _has(content, part):
            yield str(part)
            content = content[part]  # type: ignore[index]
    if lacking or _has(content, last):
        yield str(last)


def _has(content: object, part: int | str) -> bool:
    if isinstance(content, list | tuple):
        return isinstance(part, int) and part < len(content)
    return isinstance(content, Mapping) and part in content


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


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


def with_value(content: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The content with `value` at a path; missing mappings on the way are made.

    Raises:
        BadSpec: the content has no such place.
    """
    changed: dict[str, Any] = _with(content, path.split("."), value, above=())
    return changed


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


def _with(content: object, path: list[str], value: object, *, above: tuple[str, ...]) -> Any:
    """`content`, which is at `above`, with `value` at `path`; missing mappings are made."""
    head, *rest = path
    here = (*above, head)
    if isinstance(content, list):
        index = int(head) if head.isdecimal() and int(head) < len(content) else None
        if index is None:
            place = ".".join(above)
            raise BadSpec(f"{place}: {head!r} is no index of a list of {len(content)}")
        inner = _with(content[index], rest, value, above=here) if rest else value
        return [*content[:index], inner, *content[index + 1 :]]
    before = _mapping_at(above, content, head)
    return before | {head: _with(before.get(head), rest, value, above=here) if rest else value}


def _mapping_at(path: tuple[str, ...], content: object, head: str) -> dict[str, Any]:
    """What is at the path, as the mapping in which `head` can be set."""
    field = ".".join(path)
    if isinstance(content, dict):
        return content
    if content is None and head.isdecimal():
        raise BadSpec(
            f"{field}.{head}: there is no list {field} in the file, so none of its items can be "
            f"changed: give the whole list, {field}: […]"
        )
    if content is None:
        return {}
    if path[-1] == "data":
        return {"name": content}
    raise BadSpec(
        f"{field}.{head}: {field} is {_short(content)}, which has no fields: give the whole of "
        f"it, {field}: {{{head}: …}}"
    )
