"""Fields of a mapping that cannot stay as they are, each by its path."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from alambique.spec.errors import BadSpec
from alambique.spec.expected import expected, kind_of


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


def refuse(fields: Sequence[BadField]) -> NoReturn:
    """Names these fields.

    Raises:
        BadSpec: always, each field on a line of its own; its cause is `BadFields`.
    """
    raise BadSpec("\n".join(bad.line for bad in fields)) from BadFields(fields)


@contextmanager
def within(path: str) -> Iterator[None]:
    """Puts a path in front of the fields that are refused inside; what names no field has the path.

    Raises:
        BadSpec: what was raised inside; its cause is `BadFields`.
    """
    try:
        yield
    except BadSpec as error:
        refuse([replace(bad, path=f"{path}.{bad.path}".rstrip(".")) for bad in _of(error)])


def _of(error: BadSpec) -> tuple[BadField, ...]:
    cause = error.__cause__
    return cause.fields if isinstance(cause, BadFields) else (BadField("", None, str(error)),)


def bad_fields(error: ValidationError, content: object, *, whole: str = "job") -> list[BadField]:
    """Each field of `content` that pydantic refused, by its path in it; `whole` stands for all.

    >>> from alambique.spec.train import Train
    >>> content = {"epochs": 0, "layers": 3}
    >>> try:
    ...     Train.model_validate(content)
    ... except ValidationError as error:
    ...     [bad.path for bad in bad_fields(error, content)]
    ['epochs', 'layers']
    """
    return [_bad_field(line, content, whole) for line in error.errors(include_url=False)]


def _bad_field(line: ErrorDetails, content: object, whole: str) -> BadField:
    kind, value, location = kind_of(line), line["input"], line["loc"]
    if kind == "invalid_key":  # a name that is no text makes no path: the mapping has one
        location = location[: -2 if location[-1] == "[key]" else -1]
    path = ".".join(_path(location, content, lacking=kind == "missing")) or whole
    unsaid = kind == "missing" or (kind == "value_error" and isinstance(value, dict))
    return BadField(path, None if unsaid else short(value), expected(line))


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


def short(value: object, limit: int = 80) -> str:
    """A value as people are told it."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"
