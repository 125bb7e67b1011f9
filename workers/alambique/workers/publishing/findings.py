"""What a verification finds: each thing that was published, what was found, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from alambique.workers.publishing.numbers import SPEED_RATIO, Number
from alambique.workers.publishing.tolerances import Tolerance

Value = int | float | str


class Verdict(StrEnum):
    """What is to be thought of something that was published."""

    HELD = "held"
    FALSE = "false"
    DIFFERS = "differs here"
    """A speed that is another one on this machine, which may be the machine's."""
    NO_DATA = "data not at hand"
    NOT_HERE = "not measured here"
    """It stands in the signed provenance, and nothing of it is at hand to measure it by."""
    SAID = "said"
    """What a reader should know, and is neither true nor false."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was published, beside what was found."""

    subject: str
    verdict: Verdict
    published: Value | None = None
    measured: Value | None = None
    tolerance: str | None = None
    note: str | None = None


_NAMED = 3
"""Words of a machine whose processor is named; of others there are two, such as `x86_64 CPU`."""
HELD_SPEED, FALSE_SPEED = 2.0, 10.0
"""How many times as high a published speed-up may be as the one here: up to the first it holds,
above the second it is false. Between the two another machine, or a busy one, may account for it."""


def compared(
    number: Number, measured: float, tolerance: Tolerance, processors: str | None = None
) -> Finding:
    """Return the finding on a number that was measured again.

    Args:
        number: as it was published.
        measured: here.
        tolerance: how far the two may be apart.
        processors: on which it was published and measured, which is said where they are.
    """
    is_held = abs(measured - number.value) <= tolerance.amount + 1e-12
    verdict = Verdict.HELD if is_held else Verdict.FALSE
    note = None if is_held else processors
    return Finding(str(number), verdict, number.value, measured, str(tolerance), note)


def processor_note(number: Number, here: str) -> str:
    """Return on which processors a number was published and measured.

    Args:
        number: whose settings name the machine, unless an earlier version recorded them.
        here: this machine, as records name it.
    """
    published, this = (
        str(each or "").partition(", ")[0] for each in (number.settings.get("machine"), here)
    )
    if len(published.split()) < _NAMED:
        return f"its publisher's processor is not recorded; this is {this}"
    if published == this:
        return f"published on a processor as this one, {this}"
    return f"published on another processor, {published}; this is {this}"


def compared_speed(number: Number, measured: float, here: str) -> Finding:
    """Return the finding on how many times as fast one published file is as another.

    Args:
        number: as it was published.
        measured: here.
        here: this machine, as records name it.
    """
    excess = number.value / measured if measured > 0 else float("inf")
    verdict = Verdict.HELD
    if excess > FALSE_SPEED:
        verdict = Verdict.FALSE
    elif excess > HELD_SPEED or excess < 1 / HELD_SPEED:
        verdict = Verdict.DIFFERS
    limits = f"{HELD_SPEED:g} times; false above {FALSE_SPEED:g} times"
    note = processor_note(number, here)
    if verdict is not Verdict.HELD:
        note += ": speeds depend on the machine and what else it does"
    assert number.metric == SPEED_RATIO
    return Finding(str(number), verdict, number.value, measured, limits, note)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return how `alambique verify` ends.

    0: what could be checked holds; 1: something is false; 3: nothing is false, and data is not at
    hand that numbers could be measured on.
    """
    verdicts = {finding.verdict for finding in findings}
    if Verdict.FALSE in verdicts:
        return 1
    return 3 if Verdict.NO_DATA in verdicts else 0
