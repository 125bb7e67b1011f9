"""How far a number may be from the published one where another processor computes it.

Another processor, or another release of a library, computes other last digits of a logit. Only an
answer that is as good as tied can turn by that, and how much the turned ones change a score depends
on which they are and on how few the examples are. So it is tried: the logits that were computed
here are moved a little, at random, and scored again.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alambique.workers.publishing.numbers import DIFFERENCE, EXAMPLES, SIMILARITY, SIZES, Number
from alambique.workers.training.kinds.kind import WindowLogits


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number may be from the published one, and why so far."""

    amount: float
    reason: str

    def __str__(self) -> str:
        """Return it as people read it."""
        return "none" if self.amount == 0 else f"{self.amount:.3g}, {self.reason}"


EXACT = Tolerance(0.0, "counted")
LOGIT_FLOAT32 = 0.001
"""How far logits of one file in float32 may be apart: some hundred times what torch and onnxruntime
differ by, so that an answer which a processor may turn is turned by about half of the moves."""
_INT8_PART = 0.99
"""Of the differences between the logits of a file in int8 and of its weights, so many are smaller
than what its logits may be apart: other instructions round otherwise where int8 rounds at all."""
_SIMILARITY = {False: 0.001, True: 0.01}
_DRAWS = 8
_SPARE = 2
"""Turned answers may all be turned the same way, which no single draw need show."""
_ROUNDING = 1e-6
"""Of a score that no turned answer changes."""


def logit_amplitude(differences: Sequence[WindowLogits] | None) -> float:
    """Return how far the logits of a file may be apart on two processors.

    Args:
        differences: of its logits from those of its weights, where it computes in int8. None: it
            computes in float32.
    """
    if differences is None:
        return LOGIT_FLOAT32
    flat = np.concatenate([np.abs(each).ravel() for each in differences])
    return max(LOGIT_FLOAT32, float(np.quantile(flat[np.isfinite(flat)], _INT8_PART)))


def score_changes(
    score: Callable[[Sequence[WindowLogits]], Mapping[str, float]],
    logits: Sequence[WindowLogits],
    amplitude: float,
) -> Mapping[str, float]:
    """Return the most that each score changes where every logit moves by up to an amplitude.

    The moves are drawn by a fixed seed: the same logits have the same changes.
    """
    chance = np.random.default_rng(0)
    own = score(logits)
    changes = dict.fromkeys(own, 0.0)
    for _ in range(_DRAWS):
        moved = [
            (each + chance.uniform(-amplitude, amplitude, each.shape)).astype(each.dtype)
            for each in logits
        ]
        for name, value in score(moved).items():
            if math.isfinite(change := abs(value - own.get(name, value))):
                changes[name] = max(changes.get(name, 0.0), change)
    return changes


def tolerance_of(
    number: Number, *, change: float, amplitude: float, is_quantized: bool
) -> Tolerance:
    """Return how far a number may be from what is measured of the same file on the same data.

    Args:
        number: a size, a score, or a difference of logits.
        change: what moved logits change it by, where it is a score.
        amplitude: how far they were moved.
        is_quantized: whether the file computes in int8.
    """
    kind = "int8" if is_quantized else "float32"
    if number.data is None or number.metric in (*SIZES, EXAMPLES):
        return EXACT
    if number.metric == DIFFERENCE:
        amount = max(LOGIT_FLOAT32, number.value / 2) if is_quantized else LOGIT_FLOAT32
        return Tolerance(amount, f"of {kind} on another processor")
    if number.metric == SIMILARITY:  # no answer of it can turn
        return Tolerance(_SIMILARITY[is_quantized], f"{kind} on another processor")
    amount = max(_ROUNDING, _SPARE * change)
    return Tolerance(amount, f"{kind}: answers that turn as logits move by {amplitude:.2g}")
