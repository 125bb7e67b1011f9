"""Whether what a network says to one text depends on the texts that it is run with."""

import mmap
from pathlib import Path

from alambique.runtime.engines import ONNX_FILE

_DYNAMIC = b"DynamicQuantizeLinear"
"""The operator that takes the range of activations while they come: of a whole batch at once."""


def depends_on_batch(folder: Path) -> bool:
    """Return whether texts have to be run one by one for each to get the same answer always.

    In dynamic int8 one range is taken for the activations of all texts of a batch. A text with
    others beside it is rounded in another way than alone, and where two answers are close, the
    other one may win. All other formats differ by the last bits of their sums.
    """
    path = folder / ONNX_FILE
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(_DYNAMIC) >= 0
