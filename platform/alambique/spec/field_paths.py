"""Fields of a job by their paths, and alpha of an objective, which stands for two of them.

alpha is how much gold labels count beside the teacher, as one number from 0 to 1. A published loss
is L = alpha CE(gold) + (1 - alpha) KD (Cañete and Bravo-Marquez, 2023). The objective has a weight
for each of its two terms instead; `objective.alpha` is the path by which both are set.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short
from alambique.spec.fields import Fraction

_MAX_PARTS = 32
"""The most parts of a path: for each, a mapping that is missing is made in the one before."""
_ALPHA = "alpha"
_PATH = re.compile(rf"((?:shared\.|tasks\.[^.]+\.)?(?:intermediate\.)?objective)\.{_ALPHA}")
"""The path of alpha, in a job and in a suite."""
_BALANCED = ("gold", "logits")
"""The kinds of the terms that alpha and 1 - alpha go to."""
_DIGITS = 12
"""Decimals that 1 - alpha is rounded to: 0.9 leaves 0.1, as in a job that says both weights."""
_NUMBER: TypeAdapter[float] = TypeAdapter(Fraction)


def alpha_objective(path: str) -> str | None:
    """Return the path of the objective whose alpha a path is; None where it is another field."""
    match = _PATH.fullmatch(path)
    return match and match[1]


def with_field(content: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return the content with `value` at a path; of alpha, with the two weights that it stands for.

    Raises:
        BadSpec: the content has no such place, or alpha cannot be that there.
    """
    if (objective := alpha_objective(path)) is None:
        return _with_value(content, path, value)
    gold, logits = balanced_terms(_value_at(content, objective))
    alpha = _number(value)
    changed = _with_value(content, f"{objective}.{gold}.weight", alpha)
    return _with_value(changed, f"{objective}.{logits}.weight", round(1 - alpha, _DIGITS))


def _with_value(content: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return the content with `value` at a path; missing mappings on the way are made.

    Raises:
        BadSpec: the content has no such place.
    """
    parts = path.split(".", _MAX_PARTS)
    if len(parts) > _MAX_PARTS:
        raise BadSpec(f"{short(path)} has more than {_MAX_PARTS} parts: no field lies so deep")
    changed: dict[str, Any] = _with_nested(content, parts, value, above=())
    return changed


def _with_nested(content: object, path: list[str], value: object, *, above: tuple[str, ...]) -> Any:
    """Return `content`, which is at `above`, with `value` at `path` in it."""
    head, *rest = path
    here = (*above, head)
    if isinstance(content, list):
        index = int(head) if head.isdecimal() and int(head) < len(content) else None
        if index is None:
            place = ".".join(above)
            raise BadSpec(f"{place}: {head!r} is no index of a list of {len(content)}")
        inner = _with_nested(content[index], rest, value, above=here) if rest else value
        return [*content[:index], inner, *content[index + 1 :]]
    before = _mapping_for(above, content, head)
    return before | {
        head: _with_nested(before.get(head), rest, value, above=here) if rest else value
    }


def _mapping_for(path: tuple[str, ...], content: object, head: str) -> dict[str, Any]:
    """Return what is at the path, as the mapping in which `head` can be set."""
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
        f"{field}.{head}: {field} is {short(content)}, which has no fields: give the whole of "
        f"it, {field}: {{{head}: …}}"
    )


def balanced_terms(terms: object) -> tuple[int, int]:
    """Return the numbers of the gold and of the logits term that alpha weighs, counted from 0.

    Args:
        terms: an objective as a file has it, or as a job is stored.

    Raises:
        BadSpec: there is no objective, not one of each of the two, or a term called alpha.
    """
    if not isinstance(terms, Sequence) or isinstance(terms, str):
        raise BadSpec(
            "alpha weighs a gold and a logits term, and there is no objective that has them: give "
            "it, objective: [{kind: gold}, {kind: logits}]"
        )
    if any(isinstance(term, Mapping) and term.get("name") == _ALPHA for term in terms):
        raise BadSpec(
            "alpha is the balance of gold and logits, and a term is called alpha: give the term "
            "another name"
        )
    gold, logits = (_only_term(terms, kind) for kind in _BALANCED)
    return gold, logits


def _only_term(terms: Sequence[object], kind: str) -> int:
    numbers = [
        number
        for number, term in enumerate(terms)
        if isinstance(term, Mapping) and term.get("kind") == kind
    ]
    if not numbers:
        raise BadSpec(
            f"alpha weighs a gold and a logits term, and the objective has none of kind {kind}: "
            f"add {{kind: {kind}}} to it"
        )
    if len(numbers) > 1:
        raise BadSpec(
            f"alpha weighs a gold and a logits term, and the objective has {len(numbers)} of kind "
            f"{kind}: keep one of them, or vary the weight of each"
        )
    return numbers[0]


def weights(objective: str, terms: object) -> Iterator[str]:
    """Yield the path of each weight that alpha sets.

    Raises:
        BadSpec: alpha has no place in these terms.
    """
    return (f"{objective}.{number}.weight" for number in balanced_terms(terms))


def _number(value: object) -> float:
    try:
        return _NUMBER.validate_python(value)
    except ValidationError:
        raise BadSpec(
            f"alpha is the part of gold labels, a number from 0 to 1, found {short(value)}: give "
            "such a number"
        ) from None


def _value_at(content: Mapping[str, Any], path: str) -> object:
    """Return what is at a path of mappings; None where there is nothing."""
    value: object = content
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
