"""Windows as the arrays that a network takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alambique.runtime.frames import LongArray
from alambique.runtime.windows import Window


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """B windows, padded to the longest of them, N."""

    input_ids_BN: LongArray
    attention_BN: LongArray
    """1 where there is a piece, 0 where there is padding."""
    type_ids_BN: LongArray


def pad(windows: Sequence[Window], pad_id: int, *, length: int | None = None) -> Inputs:
    """The windows side by side, padded on the right to `length`, else to the longest of them."""
    longest = max((len(window) for window in windows), default=0)
    shape = (len(windows), longest if length is None else length)
    ids_BN, attention_BN = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64)
    types_BN = np.zeros(shape, np.int64)
    for row, window in enumerate(windows):
        ids_BN[row, : len(window)] = window.input_ids_N
        types_BN[row, : len(window)] = window.type_ids_N
        attention_BN[row, : len(window)] = 1
    return Inputs(ids_BN, attention_BN, types_BN)
