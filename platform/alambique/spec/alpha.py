"""alpha of an objective: how much gold labels count beside the teacher, as one number from 0 to 1.

A published loss is L = alpha CE(gold) + (1 - alpha) KD (Cañete and Bravo-Marquez, 2023). The
objective has a weight for each of its two terms instead; `objective.alpha` is the path by which
both are set.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short
from alambique.spec.fields import Fraction
from alambique.spec.overlay import with_value

_ALPHA = "alpha"
_PATH = re.compile(rf"((?:shared\.|tasks\.[^.]+\.)?(?:intermediate\.)?objective)\.{_ALPHA}")
"""Of alpha, in a job and in a suite."""
_BALANCED = ("gold", "logits")
"""The kinds of the terms that alpha and 1 - alpha go to."""
_DIGITS = 12
"""Of 1 - alpha, after the point: 0.9 leaves 0.1, as a job has it that says both weights."""
_NUMBER: TypeAdapter[float] = TypeAdapter(Fraction)


def balanced(path: str) -> str | None:
    """Return the path of the objective whose alpha a path is; None where it is another field."""
    found = _PATH.fullmatch(path)
    return found and found[1]


def with_field(content: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return the content with `value` at a path; of alpha, with the two weights that it stands for.

    Raises:
        BadSpec: the content has no such place, or alpha cannot be that there.
    """
    if (objective := balanced(path)) is None:
        return with_value(content, path, value)
    gold, logits = balanced_terms(_at(content, objective))
    alpha = _number(value)
    changed = with_value(content, f"{objective}.{gold}.weight", alpha)
    return with_value(changed, f"{objective}.{logits}.weight", round(1 - alpha, _DIGITS))


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
    gold, logits = (_only(terms, kind) for kind in _BALANCED)
    return gold, logits


def _only(terms: Sequence[object], kind: str) -> int:
    found = [
        number
        for number, term in enumerate(terms)
        if isinstance(term, Mapping) and term.get("kind") == kind
    ]
    if not found:
        raise BadSpec(
            f"alpha weighs a gold and a logits term, and the objective has none of kind {kind}: "
            f"add {{kind: {kind}}} to it"
        )
    if len(found) > 1:
        raise BadSpec(
            f"alpha weighs a gold and a logits term, and the objective has {len(found)} of kind "
            f"{kind}: keep one of them, or vary the weight of each"
        )
    return found[0]


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


def _at(content: Mapping[str, Any], path: str) -> object:
    """Return what is at a path of mappings; None where there is nothing."""
    found: object = content
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
