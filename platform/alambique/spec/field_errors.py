"""Fields of a mapping that cannot stay as they are, each by its path."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NoReturn

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import excerpt, short
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
    """Put a path in front of the fields that are refused inside.

    An error that names no field gets the path itself.

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
    """Return the fields of `content` that pydantic refused, by their paths in it.

    A fault of the content as a whole has the name of the record for its path.

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
    """Return a question for the field whose name is nearest to an unknown one; or nothing."""
    *above, name = line["loc"] or ("",)
    if line["type"] != "extra_forbidden" or not isinstance(name, str):
        return ""
    return hint(name, fields_at(record, above))


def _path(location: tuple[int | str, ...], content: object, *, lacking: bool) -> Iterator[str]:
    """Yield the parts of a location that are of the content: a union adds its branches' names."""
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


_WORDS = {
    "missing": "the field is missing: give it",
    "extra_forbidden": "no such field: {hint}check its spelling, or leave it out",
    "invalid_key": "a name in it is no text, as YAML reads it: put it in quotes",
    "invalid-json-value": "expected a text, a number, a list or a mapping; in quotes it is a text",
    "json_invalid": "expected JSON: {error}",
    "uuid_parsing": "expected an id: 32 digits 0-9 and a-f, with or without hyphens",
    "enum": "expected {expected}",
    "recursion_loop": "expected something that is not nested so deeply, and not in itself",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing_size": "expected a smaller number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a number that is finite",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_type": "expected a text",
    "string_pattern_mismatch": "expected letters, digits, '.', '_' and '-', the first one a letter "
    "or a digit, at most 96 of them",
    "string_too_long": "expected at most {max_length} characters",
    "list_type": "expected a list, such as [a, b]",
    "tuple_type": "expected a list, such as [a, b]",
    "dict_type": "expected a mapping, such as {{train: 2000}}",
    "too_short": "expected at least {min_length} of them",
    "literal_error": "expected {expected}",
    "union_tag_invalid": "expected a mapping whose kind is {expected_tags}",
    "union_tag_not_found": "expected a mapping with a kind, such as {{kind: gold, weight: 0.5}}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
}
"""By the kind of fault, with the names that pydantic gives in its context."""

_EXAMPLES = {
    "Data": "conll2002 or {name: conll2002, limit: {train: 2000}}",
    "SplitShares": "{dev: 0.1, test: 0.1}",
    "Teacher": "{model: team/model}",
    "Candidate": "{model: team/model, grid: {epochs: [2, 3]}}",
    "Grid": "{batch_size: [16, 32], learning_rate: [1.0e-5, 2.0e-5]}",
    "Student": "{layers: 4}",
    "Architecture": "{architecture: bert, layers: 4, width: 256, heads: 4, ffn: 512}",
    "Change": "{start: 4.0, end: 1.0}",
    "Intermediate": "{objective: [{kind: hidden}], train: {schedule: constant}}",
    "Train": "{epochs: 3, learning_rate: 5.0e-5}",
    "Resources": "{workers: 2}",
    "Search": "{space: {student.layers: [2, 4]}, trials: 8}",
}
"""Examples of the mapping that a record is read from, by the name of its class."""


def error_text(fault: ErrorDetails, hint: str = "") -> str:
    """Return what is wrong with a field, and what would be right; of an unknown one with a hint."""
    kind, context = kind_of(fault), fault.get("ctx", {}) | {"hint": hint}
    if kind in ("model_type", "model_attributes_type"):
        example = _EXAMPLES.get(context.get("class_name", ""))
        return f"expected a mapping of fields{f', such as {example}' if example else ''}"
    if words := _WORDS.get(kind):
        return words.format(**context)
    return fault["msg"].removeprefix("Value error, ")


def kind_of(fault: ErrorDetails) -> str:
    """Return the kind of fault; of a name that is no text it is the same in every mapping."""
    no_text = fault["loc"][-1:] == ("[key]",) and not isinstance(fault["input"], str)
    return "invalid_key" if no_text else fault["type"]
