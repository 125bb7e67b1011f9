"""What somebody may have meant by a name that is not there."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, Tag

_LONGEST = 64
"""Letters of a name that is compared: the time grows with its length."""
_MOST = 1000
"""Names that one is compared with."""


def hint(word: str, words: Iterable[str]) -> str:
    """Return the nearest of the words as a question, or nothing; upper and lower case are alike.

    >>> hint("learning_rates", ("epochs", "learning_rate")), hint("hope", ("epochs",))
    ('did you mean learning_rate? ', '')
    >>> hint("text", ("id", "TEXTO"))
    'did you mean TEXTO? '
    """
    if len(word) > _LONGEST:
        return ""
    first = [one for one, _ in zip(words, range(_MOST), strict=False) if len(one) <= _LONGEST]
    known = {one.casefold(): one for one in first}
    near = get_close_matches(word.casefold(), known, n=1)
    return f"did you mean {known[near[0]]}? " if near else ""


def fields_at(record: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the fields of the record that lies at a location of pydantic's within another one.

    Beside names and indices, such a location has the branches of unions; where one is told apart
    by nothing but the value, the fields are those of all branches.

    Args:
        record: the outer one.
        location: without the field that is asked about.
    """
    found: list[tuple[frozenset[str], type[BaseModel]]] = [(frozenset(), record)]
    for part in location:
        holders = [one for _, one in found if part in one.model_fields]
        if holders:
            annotations = [one.model_fields[str(part)].annotation for one in holders]
            found = [each for annotation in annotations for each in _records(annotation)]
        else:  # an index, the key of a mapping, or a branch
            found = [each for each in found if part in each[0]] or found
    return list(dict.fromkeys(name for _, one in found for name in one.model_fields))


def _records(
    annotation: Any, branches: frozenset[str] = frozenset()
) -> Iterator[tuple[frozenset[str], type[BaseModel]]]:
    """Yield the records that a value of a type is or holds, with the names of their branches."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield branches | {annotation.__name__, *_kinds(annotation)}, annotation
        return
    inner = get_args(annotation)
    tags = {one.tag for one in inner if isinstance(one, Tag)}
    if get_origin(annotation) is not Literal:
        for each in inner:
            yield from _records(each, branches | tags)


def _kinds(record: type[BaseModel]) -> Iterator[str]:
    """Yield the values of its fields of one value, by which a union tells its branches apart."""
    for field in record.model_fields.values():
        if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1:
            yield str(get_args(field.annotation)[0])
