"""What every part of a job's spec is made of: a frozen record, deaf to unknown keys."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    ValidationError,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 3650 * 86400

V = TypeVar("V")

LONGEST_TEXT = 4096
"""Characters of any text in a record: a path of Linux has no more."""


class Spec(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=LONGEST_TEXT)


def equal_to(default: object) -> Callable[[object], bool]:
    """Return what tells whether a field has its default, for `exclude_if`.

    A job is written without the field then. What a job says decides the keys of its stages: with a
    new field they stay those of before.
    """
    return lambda value: value == default


def tag_where(applies: Callable[[object], bool], tag: str, otherwise: str) -> Discriminator:
    """Return what tells the two branches of a union apart by the way in which a value is written.

    Args:
        applies: whether a value, as it is given, is of the first branch.
        tag: of the first branch.
        otherwise: the tag of the other branch.
    """
    return Discriminator(lambda value: tag if applies(value) else otherwise)


def is_list(value: object) -> bool:
    """Return whether a value is written as a list."""
    return isinstance(value, list | tuple)


def not_empty(message: str) -> AfterValidator:
    """Return a validator that refuses a list without items with this message.

    It stands in the place of `min_length`: of a list whose items are wrong, pydantic would say that
    the list is too short as well.
    """

    def check_not_empty(values: tuple[V, ...]) -> tuple[V, ...]:
        if not values:
            raise ValueError(message)
        return values

    return AfterValidator(check_not_empty)


def repeated(values: Iterable[V]) -> list[V]:
    """Return the values that are there more than once, in the order in which they come first.

    >>> repeated(["f1", "loss", "f1"])
    ['f1']
    """
    return [value for value, times in Counter(values).items() if times > 1]


def fault_at(field: tuple[str | int, ...], message: str, found: object) -> ValidationError:
    """Return what a validator of a whole record raises where one field of it is to blame."""
    fault = PydanticCustomError("value_error", message)
    return ValidationError.from_exception_data(
        "", [InitErrorDetails(type=fault, loc=field, input=found)]
    )


def _read_duration(value: Any) -> Any:
    """Return a `timedelta` from "90s", "15m", "6h" or "2d"."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a number and a unit: 90s, 15m, 6h, 2d")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if not 1 <= seconds <= _LONGEST:
        raise ValueError(f"expected at least 1s and at most {_LONGEST // _SECONDS['d']}d")
    return timedelta(seconds=seconds)


def _write_duration(value: timedelta) -> str:
    return f"{value.total_seconds():.15g}s"  # fewer digits become an exponent, which is no length


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(_write_duration, return_type=str),
]
"""A length of time, written as a number and a unit: 90s, 15m, 6h, 2d."""

LETTERS = 96
"""Letters of the longest name."""
Name = Annotated[str, Field(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{LETTERS - 1}}}$")]
"""What a user may call a thing: it becomes part of a URL, never of a path."""


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


# whole numbers are strict: true is not 1, "3" is a text. Others are not: to YAML, 5e-4 is a text
Whole = Annotated[int, Field(strict=True)]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
Positive = Annotated[Whole, Field(gt=0, le=1_000_000_000)]
Length = Annotated[Whole, Field(ge=16, le=1_000_000)]
"""Tokens of the longest window, special tokens counted."""
Overlap = Annotated[Whole, Field(ge=0, le=1_000_000)]
"""Tokens that two neighbouring windows of one text share."""
Real = Annotated[float, BeforeValidator(_refuse_bool), Field(allow_inf_nan=False)]
Rate = Annotated[Real, Field(gt=0, le=1)]
"""The highest learning rate of a run."""
Epochs = Annotated[Positive, Field(le=10_000)]
Layers = Annotated[Positive, Field(le=1000)]
Width = Annotated[Positive, Field(le=1_000_000)]
Workers = Annotated[Positive, Field(le=10_000)]
Vocabulary = Annotated[Whole, Field(ge=100, le=1_000_000)]
Fraction = Annotated[Real, Field(ge=0, le=1)]
Share = Annotated[Real, Field(gt=0, lt=1)]
"""A part of a whole that leaves something of it."""
