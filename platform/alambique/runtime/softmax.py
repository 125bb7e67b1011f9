"""Probabilities from logits, in numpy."""

import numpy as np
from numpy.typing import NDArray


def softmax(logits_XC: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the probabilities (…, C) of the classes on the last axis, computed in float64."""
    shifted_XC = logits_XC.astype(np.float64)
    mass_XC = np.exp(shifted_XC - shifted_XC.max(-1, keepdims=True))
    probabilities: NDArray[np.float64] = mass_XC / mass_XC.sum(-1, keepdims=True)
    return probabilities
