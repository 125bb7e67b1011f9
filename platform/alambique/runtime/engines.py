"""What runs a network's file: onnxruntime, or OpenVINO.

Each engine is imported where it is opened, so that who uses one need not have the other.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alambique.runtime.windows import Inputs
from alambique.spec.errors import BadModel, BadSpec, MissingExtra

Forward = Callable[[Inputs], NDArray[np.float32]]
"""A network: from B padded windows to the logits (B, N, C) of their pieces."""

ONNX_FILE = "model.onnx"
OPENVINO_FILE = "openvino_model.xml"
OPENVINO_WEIGHTS = "openvino_model.bin"
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
"""What a file calls the arrays of `Inputs`, in their order."""
_DYNAMIC = b"DynamicQuantizeLinear"
"""The operator that takes the range of activations while they come: of a whole batch at once."""


def has_engine_file(folder: Path) -> bool:
    """Return whether a folder holds a file that an engine runs."""
    return any((folder / name).is_file() for name in (ONNX_FILE, OPENVINO_FILE))


def open_engine(folder: Path, *, threads: int | None = None) -> Forward:
    """Return the network of a folder, ready to run; several threads may call it at once.

    Args:
        folder: holds model.onnx, or openvino_model.xml with its weights.
        threads: that one call may use; as many as this process has processors where not given.

    Raises:
        BadModel: the folder holds neither, or a file that cannot be read.
        BadSpec: fewer than one thread.
        MissingExtra: the engine is not installed.
    """
    threads = available_processors() if threads is None else threads
    if threads < 1:
        raise BadSpec(f"threads={threads}: a call takes one at least")
    if (folder / ONNX_FILE).is_file():
        return open_onnx(folder / ONNX_FILE, threads=threads)
    if (folder / OPENVINO_FILE).is_file():
        return open_openvino(folder / OPENVINO_FILE, threads=threads)
    raise BadModel(
        f"{folder} holds neither {ONNX_FILE} nor {OPENVINO_FILE}: give a version that a job with "
        "`compress: [onnx]`, or another format of an engine, has registered"
    )


def available_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone has it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_onnx(path: Path, *, threads: int) -> Forward:
    """Return the network of an ONNX file, run by onnxruntime.

    Its threads sleep between two calls. By onnxruntime's own default they would spin, and take the
    processor from whatever else runs on the machine.

    Raises:
        BadModel: the file is damaged, or takes other inputs.
        MissingExtra: onnxruntime is not installed.
    """
    onnxruntime = _engine("onnxruntime", extra="runtime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised, and said once
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # the arena keeps the largest activations of the longest batch that ever came
    options.enable_cpu_mem_arena = False
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors have no common class but this
        raise _unreadable(path, error) from error
    names = _input_names(path, [given.name for given in session.get_inputs()])
    _return_freed_memory()
    return _OnnxNetwork(session, names)


def open_openvino(path: Path, *, threads: int) -> Forward:
    """Return the network of an OpenVINO file.

    A file of float32 runs in float32: by itself OpenVINO would take bf16 where the processor has
    it, which answers otherwise than torch, and slower on one without instructions for whole tiles.
    What stays unquantized in a file of int8 runs as OpenVINO chooses.

    Raises:
        BadModel: the file is damaged, or takes other inputs.
        MissingExtra: OpenVINO is not installed.
    """
    openvino = _engine("openvino", extra="openvino")
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    try:
        network = core.read_model(str(path))
        operations = {operation.get_type_name() for operation in network.get_ops()}
        if "FakeQuantize" not in operations:
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        compiled = core.compile_model(network, "CPU", settings)
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    names = _input_names(path, [given.any_name for given in compiled.inputs])
    return _OpenVinoNetwork(compiled.create_infer_request(), compiled.output(0), names)


@dataclass(frozen=True, slots=True)
class _OnnxNetwork:
    """A network that onnxruntime runs; several threads may call it at once."""

    session: Any
    names: Sequence[str]
    """The inputs that its file has."""

    def __call__(self, inputs: Inputs) -> NDArray[np.float32]:
        """Return the logits, (B, N, C)."""
        logits: NDArray[np.float32] = self.session.run(None, _feed(inputs, self.names))[0]
        return logits


@dataclass(frozen=True, slots=True)
class _OpenVinoNetwork:
    """A network that OpenVINO runs; calls from several threads wait for one another."""

    request: Any
    output: Any
    names: Sequence[str]
    """The inputs that its file has."""
    lock: Lock = field(default_factory=Lock)
    """Held by each call: a request refuses a second one while it is at work."""

    def __call__(self, inputs: Inputs) -> NDArray[np.float32]:
        """Return the logits, (B, N, C)."""
        with self.lock:
            results = self.request.infer(_feed(inputs, self.names))
            # what the request answers with is its own memory, which the next call writes over
            return np.array(results[self.output], np.float32)


def _return_freed_memory() -> None:
    """Give back to the system what reading a file took besides the network itself.

    That is nearly half of the file again. The allocator of the GNU C library keeps it by itself.
    """
    with suppress(OSError, AttributeError, TypeError):  # another C library, another system
        ctypes.CDLL(None).malloc_trim(0)


def _feed(inputs: Inputs, names: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Return the arrays that the file takes: one without token types has no input for them."""
    arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    by_name = dict(zip(INPUT_NAMES, arrays, strict=True))
    return {name: by_name[name] for name in names}


def _input_names(path: Path, names: list[str]) -> list[str]:
    if unknown := sorted(set(names) - set(INPUT_NAMES)):
        raise BadModel(
            f"{path} takes {', '.join(unknown)}, and is fed {', '.join(INPUT_NAMES)} alone: it is "
            "no file that this platform has made"
        )
    return names


def import_openvino() -> Any:
    """Return the module of OpenVINO, which is kept from reporting to its makers, as is nncf.

    On its import and at each conversion OpenVINO tells Google Analytics of it, unless a file in the
    user's home forbids that; and it does so from a forked process, which hangs for good where
    another thread held a lock. It does without where the package for that cannot be imported.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module("openvino")


def _engine(module: str, *, extra: str) -> Any:
    """Return the module of an engine."""
    try:
        return import_openvino() if module == "openvino" else import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise MissingExtra(
            f"{module} is not installed, which runs this model: pip install 'alambique[{extra}]'"
        ) from error


def _unreadable(path: Path, error: Exception) -> BadModel:
    return BadModel(f"{path} cannot be read: {error}: download the model again")


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
