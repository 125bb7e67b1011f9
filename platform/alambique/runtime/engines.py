"""What runs a network's file: onnxruntime, or OpenVINO.

Each engine is imported where it is opened, so that who uses one need not have the other.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alambique.runtime.answering import Forward
from alambique.runtime.windows import Inputs
from alambique.spec.errors import BadModel, MissingExtra

ONNX_FILE = "model.onnx"
OPENVINO_FILE = "openvino_model.xml"
OPENVINO_WEIGHTS = "openvino_model.bin"
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
"""What a file calls the arrays of `Inputs`, in their order."""


def open_engine(folder: Path, *, threads: int | None = None) -> Forward:
    """Return the network of a folder, ready to run.

    Args:
        folder: holds model.onnx, or openvino_model.xml with its weights.
        threads: that one call may use; as many as this process has processors where not given.

    Raises:
        BadModel: the folder holds neither, or a file that cannot be read.
        MissingExtra: the engine is not installed.
    """
    threads = threads or len(os.sched_getaffinity(0))
    if (folder / ONNX_FILE).is_file():
        return open_onnx(folder / ONNX_FILE, threads=threads)
    if (folder / OPENVINO_FILE).is_file():
        return open_openvino(folder / OPENVINO_FILE, threads=threads)
    raise BadModel(
        f"{folder} holds neither {ONNX_FILE} nor {OPENVINO_FILE}: give a version that a job with "
        "`compress: [onnx]`, or another format of an engine, has registered"
    )


def open_onnx(path: Path, *, threads: int) -> Forward:
    """Return the network of an ONNX file, run by onnxruntime.

    Its threads sleep between two calls. By onnxruntime's own default they would spin, and take the
    processor from whatever else runs on the machine.

    Raises:
        BadModel: the file is damaged.
        MissingExtra: onnxruntime is not installed.
    """
    _check_installed("onnxruntime", extra="runtime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # the arena keeps the largest activations of the longest batch that ever came
    options.enable_cpu_mem_arena = False
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors have no common class but this
        raise _unreadable(path, error) from error
    names = [given.name for given in session.get_inputs()]

    def forward(inputs: Inputs) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = session.run(None, _feed(inputs, names))[0]
        return logits

    return forward


def open_openvino(path: Path, *, threads: int) -> Forward:
    """Return the network of an OpenVINO file.

    A file of float32 weights runs in bf16 where the processor has it, as OpenVINO does by itself.

    Raises:
        BadModel: the file is damaged.
        MissingExtra: OpenVINO is not installed.
    """
    _check_installed("openvino", extra="openvino")
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    request = compiled.create_infer_request()
    names = [given.any_name for given in compiled.inputs]

    def forward(inputs: Inputs) -> NDArray[np.float32]:
        results: Any = request.infer(_feed(inputs, names))
        # what the request answers with is its own memory, which the next call writes over
        logits: NDArray[np.float32] = np.array(results[compiled.output(0)], np.float32)
        return logits

    return forward


def _feed(inputs: Inputs, names: list[str]) -> dict[str, NDArray[np.int64]]:
    """Return the arrays that the file takes: one without token types has no input for them."""
    arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    by_name = dict(zip(INPUT_NAMES, arrays, strict=True))
    return {name: by_name[name] for name in names}


def _check_installed(module: str, *, extra: str) -> None:
    if find_spec(module) is None:
        raise MissingExtra(
            f"{module} is not installed, which runs this model: pip install 'alambique[{extra}]'"
        )


def _unreadable(path: Path, error: Exception) -> BadModel:
    return BadModel(f"{path} cannot be read: {error}: download the model again")
