"""How alike the layers of two networks are, and the layer map that follows from it.

Shapes: T tokens, D and E widths, S layers of the student, L of the teacher.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor


def cka(x_TD: Tensor, y_TE: Tensor) -> float:
    """Linear centred kernel alignment of two networks' states of the same tokens, in [0, 1].

    ||Yᵀ X||² / (||Xᵀ X|| ||Yᵀ Y||) of centred columns, in Frobenius norms (Kornblith et al., 2019,
    §3). Turning, scaling or shifting all states of one network changes nothing. 0 where all states
    of one are the same.
    """
    return _alignment(_standardised(x_TD), _standardised(y_TE))


def cka_table(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """`cka` of each layer of the student with each of the teacher, of shape (S, L), float64."""
    ready = [_standardised(y_TE) for y_TE in teachers]
    rows = [[_alignment(x_TD, y_TE) for y_TE in ready] for x_TD in map(_standardised, students)]
    return torch.tensor(rows, dtype=torch.float64)


def best_map(table_SL: Tensor) -> tuple[int, ...]:
    """The teacher's layer for each of the student's, ascending, with the greatest sum of a table.

    Each layer of the teacher is used once at most; of a student with more layers than that, two
    may share one. Of equal sums, the one with the lowest layers, from the first on.

    >>> best_map(torch.tensor([[0.1, 0.9, 0.2], [0.3, 0.9, 0.4]]))
    (1, 2)
    """
    students, layers = table_SL.shape
    step = 1 if students <= layers else 0
    # sums[i][j]: the greatest of students i and after, where i meets j;
    # onwards[j]: the greatest of the students after, where the next meets j or a later one
    sums: list[list[float]] = []
    onwards = [0.0] * (layers + 1)
    for row in reversed(table_SL.tolist()):
        sums.insert(0, [score + onwards[j + step] for j, score in enumerate(row)])
        onwards = list(accumulate([float("-inf"), *reversed(sums[0])], max))[::-1]
    found: list[int] = []
    for row in sums:
        lowest = found[-1] + step if found else 0
        # `max` keeps the first of equals
        found.append(max(range(lowest, layers), key=row.__getitem__))
    return tuple(found)


def _standardised(states_TD: Tensor) -> Tensor:
    """Centred columns, scaled so that ||Xᵀ X|| is 1; zeros where all states are the same."""
    states_TD = states_TD.double()
    # less the first row, then the mean: of equal rows, rounding of their mean would leave noise
    states_TD = states_TD - states_TD[:1]
    states_TD = states_TD - states_TD.mean(0)
    square = (states_TD.T @ states_TD).square().sum()
    return states_TD / square.masked_fill(square == 0, 1).pow(0.25)


def _alignment(x_TD: Tensor, y_TE: Tensor) -> float:
    # rounding takes it past 1 by about 1e-16; what is NaN stays NaN
    return float((y_TE.T @ x_TD).square().sum().clamp(max=1))
