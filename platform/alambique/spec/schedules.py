"""Numbers of a job that may change while a student is trained."""

import math
from typing import Annotated, Literal, assert_never

from pydantic import AfterValidator, Field, Tag

from alambique.spec.fields import Fraction, Real, Spec, tag_where

_NonNegative = Annotated[Real, Field(ge=0)]
_MAX_TEMPERATURE = 1e6


class Change(Spec):
    """A number that goes from one value to another over the first part of the training's steps."""

    start: _NonNegative
    end: _NonNegative
    over: Annotated[Fraction, Field(gt=0)] = 1.0
    """The part of all steps after which the number stays at `end`."""
    shape: Literal["linear", "cosine"] = "linear"


def at(value: float | Change, done: float) -> float:
    """Return the number when a part `done` of all steps is done, from 0 to 1.

    >>> at(2.0, 0.5), at(Change(start=4.0, end=1.0), 0.5), at(Change(start=0, end=1, over=0.2), 0.5)
    (2.0, 2.5, 1.0)
    """
    if not isinstance(value, Change):
        return value
    part = min(1.0, done / value.over)
    match value.shape:
        case "linear":
            progress = part
        case "cosine":
            progress = (1 - math.cos(math.pi * part)) / 2
        case _:
            assert_never(value.shape)
    return value.start + (value.end - value.start) * progress


def highest(value: float | Change) -> float:
    """Return the greatest value that the number ever has."""
    return max(value.start, value.end) if isinstance(value, Change) else value


def _check_temperature(value: float | Change) -> float | Change:
    lowest = min(value.start, value.end) if isinstance(value, Change) else value
    if lowest <= 0 or highest(value) > _MAX_TEMPERATURE:
        raise ValueError(f"expected a number above 0 and up to {_MAX_TEMPERATURE:g}, all the time")
    return value


_Changing = Annotated[
    Annotated[Real, Tag("number")] | Annotated[Change, Tag("change")],
    tag_where(lambda value: isinstance(value, dict | Change), "change", otherwise="number"),
]


def _check_weight(value: float | Change) -> float | Change:
    if not isinstance(value, Change) and value < 0:
        raise ValueError("expected at least 0")
    return value


Weight = Annotated[_Changing, AfterValidator(_check_weight)]
"""How much a term counts, which may change while the student is trained."""
Temperature = Annotated[_Changing, AfterValidator(_check_temperature)]
"""What logits are divided by, which may change while the student is trained."""
