"""The similarity of the layers of two networks, and the layer map that follows from it.

Shapes: T tokens, D and E widths, S layers of the student, L of the teacher.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

_ROUNDING = 1e-12
"""The part of a column's squares that rounding leaves around the mean where all are the same."""


def cka(x_TD: Tensor, y_TE: Tensor) -> float:
    """Return the linear centred kernel alignment of two networks' states of the same tokens.

    It is ||Yᵀ X||² / (||Xᵀ X|| ||Yᵀ Y||) of centred columns, in Frobenius norms, from 0 to 1
    (Kornblith et al., 2019, §3). Rotating, scaling or shifting all states of one network changes
    nothing. It is 0 where all states of one network are the same.
    """
    return _alignment(_standardise(x_TD), _standardise(y_TE))


def cka_table(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Return `cka` of each layer of the student with each of the teacher, (S, L), float64."""
    ready = [_standardise(y_TE) for y_TE in teachers]
    rows = [[_alignment(x_TD, y_TE) for y_TE in ready] for x_TD in map(_standardise, students)]
    return torch.tensor(rows, dtype=torch.float64)


def best_map(table_SL: Tensor) -> tuple[int, ...]:
    """Return a layer of the teacher for each of the student, with the greatest sum of a table.

    The layers ascend. Each layer of the teacher is used once at most; if the student has more
    layers than the teacher, two may share one. Of maps with equal sums it is the one with the
    lowest layers, from the first on.

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
    chosen: list[int] = []
    for row in sums:
        lowest = chosen[-1] + step if chosen else 0
        # `max` keeps the first of equals
        chosen.append(max(range(lowest, layers), key=row.__getitem__))
    return tuple(chosen)


def moments(x_TD: Tensor, y_TE: Tensor) -> Tensor:
    """Return what `cka_of_moments` needs of some tokens, (1+D+E, 1+D+E), float64.

    These are the products of the columns of [1, X, Y] with one another: the number of tokens, sums
    and squares. The moments of all tokens are the sum of the moments of their parts.
    """
    z_TZ = torch.cat((torch.ones_like(x_TD[:, :1]), x_TD, y_TE), dim=1).double()
    return z_TZ.T @ z_TZ


def cka_of_moments(moments_ZZ: Tensor, width: int) -> float:
    """Return `cka` of tokens by their moments, in whatever order those were added up.

    Args:
        moments_ZZ: of all tokens.
        width: D, the columns of the first network's states.
    """
    count, sums = moments_ZZ[0, 0], moments_ZZ[0, 1:]
    raw = moments_ZZ[1:, 1:]
    centred = raw - torch.outer(sums, sums) / count
    varies = centred.diagonal() > _ROUNDING * raw.diagonal()
    centred = centred * varies * varies[:, None]
    x_DD, y_EE, xy_DE = centred[:width, :width], centred[width:, width:], centred[:width, width:]
    both = torch.linalg.matrix_norm(x_DD) * torch.linalg.matrix_norm(y_EE)
    return float((xy_DE.square().sum() / both.masked_fill(both == 0, 1)).clamp(max=1))


def _standardise(states_TD: Tensor) -> Tensor:
    """Return centred columns, scaled so that ||Xᵀ X|| is 1; 0 where all states are the same."""
    states_TD = states_TD.double()
    # less the first row, then the mean: of equal rows, rounding of their mean would leave noise
    states_TD = states_TD - states_TD[:1]
    states_TD = states_TD - states_TD.mean(0)
    square = (states_TD.T @ states_TD).square().sum()
    return states_TD / square.masked_fill(square == 0, 1).pow(0.25)


def _alignment(x_TD: Tensor, y_TE: Tensor) -> float:
    # rounding takes it past 1 by about 1e-16; what is NaN stays NaN
    return float((y_TE.T @ x_TD).square().sum().clamp(max=1))
