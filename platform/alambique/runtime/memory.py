"""What the file of a network takes in memory, measured in a process that does nothing else.

In a process that has run other networks before, memory that these have left is used again, and the
growth says nothing.
"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

from alambique.runtime.engines import ONNX_FILE, import_openvino, open_engine
from alambique.runtime.windows import Inputs

_STATM = Path("/proc/self/statm")
"""Of Linux alone."""
_SECONDS = 120
_PROGRAM = "import sys; from alambique.runtime.memory import main; main(*sys.argv[1:])"


def measure_memory(folder: Path, shape: tuple[int, int], *, threads: int) -> int | None:
    """Return the bytes that a network's file takes: opened by its engine, and run once.

    It is the growth of the resident memory of a process that had imported the engine already. The
    engine's code pages that are read meanwhile, and weights mapped from the file, are counted.

    Args:
        folder: with the file of an engine.
        shape: the windows of the batch that the network is run on, and the pieces of each.
        threads: that the engine may use.

    Returns:
        None where this system does not tell it, or where the process failed.
    """
    if not _STATM.is_file():
        return None
    numbers = map(str, (*shape, threads))
    # -P: what lies in the current folder is not imported
    command = [sys.executable, "-P", "-c", _PROGRAM, str(folder), *numbers]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        return int(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def main(folder: str, windows: str, pieces: str, threads: str) -> None:
    """Write to standard output by how many bytes this process grows as it opens and runs a file."""
    path = Path(folder)
    if (path / ONNX_FILE).is_file():
        import_module("onnxruntime")
    else:
        import_openvino()
    ids_BN = np.ones((int(windows), int(pieces)), np.int64)
    inputs = Inputs(ids_BN, np.ones_like(ids_BN), np.zeros_like(ids_BN))
    before = _resident_bytes()
    forward = open_engine(path, threads=int(threads))
    forward(inputs)
    sys.stdout.write(str(_resident_bytes() - before))


def _resident_bytes() -> int:
    import resource  # no module of Windows, where this is not called

    return int(_STATM.read_text().split()[1]) * resource.getpagesize()
