"""Fields of a mapping that cannot stay as they are, each by its path."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NoReturn

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import excerpt, short
from alambique.spec.expected import error_text, kind_of
from alambique.spec.spelling import fields_at, hint

NAMED = 20
"""Fields that one refusal names: more than that nobody mends before asking again."""
_PATH = 200
"""Characters of a path, which may be of names that a client made up."""
_MESSAGE = 1000
"""Characters of what is said of one field."""


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


class BadFields:
    """The fields for which a mapping is no job: the first ones, where there are many."""

    def __init__(self, fields: Sequence[BadField], more: int = 0) -> None:
        """With such fields in the order of the job, and the number of those left out before."""
        self.fields = tuple(fields[:NAMED])
        self.more = more + len(fields) - len(self.fields)

    @property
    def text(self) -> str:
        """What is told of all of them, each on a line of its own."""
        return "\n".join(self.lines)

    @property
    def lines(self) -> list[str]:
        """What is told of each field, and how many more there are."""
        rest = [f"and {self.more:,} more: mend these first"] if self.more else []
        return [*(bad.line for bad in self.fields), *rest]


def refuse(fields: Sequence[BadField] | BadFields) -> NoReturn:
    """Name these fields, and of very many the first ones.

    Raises:
        BadSpec: always, each field on a line of its own and among its `fields`.
    """
    bad = fields if isinstance(fields, BadFields) else BadFields(fields)
    raise BadSpec(bad.text).with_fields(bad)


@contextmanager
def prefix_paths(path: str) -> Iterator[None]:
    """Puts a path in front of the fields that are refused inside; what names no field has the path.

    Raises:
        BadSpec: what was raised inside, with these paths among its `fields`.
    """
    try:
        yield
    except BadSpec as error:
        fields = error.fields or (BadField("", None, str(error)),)
        inside = [replace(bad, path=f"{path}.{bad.path}".rstrip(".")) for bad in fields]
        refuse(BadFields(inside, error.more_fields))


def bad_fields(error: ValidationError, content: object, record: type[BaseModel]) -> BadFields:
    """The fields of `content` that pydantic refused, by their paths in it; all of it by its name.

    Args:
        error: what pydantic raised.
        content: what it refused.
        record: what that was to become.

    >>> from alambique.spec.train import Train
    >>> content = {"epochs": 0, "layers": 3}
    >>> try:
    ...     Train.model_validate(content)
    ... except ValidationError as error:
    ...     [bad.path for bad in bad_fields(error, content, Train).fields]
    ['epochs', 'layers']
    """
    lines = error.errors(include_url=False)
    named = [_bad_field(line, content, record) for line in lines[:NAMED]]
    return BadFields(named, len(lines) - len(named))


def _bad_field(line: ErrorDetails, content: object, record: type[BaseModel]) -> BadField:
    kind, value, location = kind_of(line), line["input"], line["loc"]
    if kind == "invalid_key":  # a name that is no text makes no path: the mapping has one
        location = location[: -2 if location[-1] == "[key]" else -1]
    path = ".".join(_path(location, content, lacking=kind == "missing"))
    path = excerpt(path, _PATH) or record.__name__.lower()
    unsaid = kind == "missing" or (kind == "value_error" and isinstance(value, dict))
    message = excerpt(error_text(line, _hint(line, record)), _MESSAGE)
    return BadField(path, None if unsaid else short(value), message)


def _hint(line: ErrorDetails, record: type[BaseModel]) -> str:
    """The field that a name which is none comes near to, as a question."""
    *above, name = line["loc"] or ("",)
    if line["type"] != "extra_forbidden" or not isinstance(name, str):
        return ""
    return hint(name, fields_at(record, above))


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
