"""The learning rate as a function of the step."""

import math
from typing import Literal, assert_never

Shape = Literal["linear", "cosine", "constant"]


def rate(step: int, total: int, *, peak: float, warmup: float, shape: Shape) -> float:
    """The learning rate of a step: rising to `peak` over the first part `warmup`, then falling.

    `step` counts from 0 and `total` is the number of steps of the whole run. The first step already
    learns: the rise is (step + 1) / rise.

    >>> [round(rate(s, 10, peak=1.0, warmup=0.2, shape="linear"), 3) for s in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.125]
    """
    rise = round(total * warmup)
    if step < rise:
        return peak * (step + 1) / rise
    done = (step - rise) / max(1, total - rise)
    match shape:
        case "linear":
            return peak * (1 - done)
        case "cosine":
            return peak * (1 + math.cos(math.pi * done)) / 2
        case "constant":
            return peak
        case _:
            assert_never(shape)
