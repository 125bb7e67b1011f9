"""Calibration: whether a model is right as often as it says that it is."""

import numpy as np
from numpy.typing import NDArray

BINS = 15
NAME = "ece"
"""What the figure is called among the metrics of a model."""


def calibration_error(
    confidence_N: NDArray[np.floating], right_N: NDArray[np.bool_], bins: int = BINS
) -> float:
    """Return the expected calibration error (Guo et al., 2017, equation 3), from 0 to 1.

    Answers are put into bins of equal width by their confidence; of each bin the distance between
    its mean confidence and the part that is right counts by how many answers it has.

    >>> calibration_error(np.array([0.9, 0.9]), np.array([True, False]))
    0.4

    Args:
        confidence_N: the probability that the model gives each of its N answers.
        right_N: whether each is right.
        bins: how many bins there are between 0 and 1.
    """
    if not len(confidence_N):
        return 0.0
    # the first bin holds its lower end too, as no other does
    bin_N = np.clip(np.ceil(confidence_N * bins).astype(int) - 1, 0, bins - 1)
    gaps_B = np.bincount(bin_N, weights=confidence_N - right_N, minlength=bins)
    return round(float(np.abs(gaps_B).sum() / len(confidence_N)), 12)
