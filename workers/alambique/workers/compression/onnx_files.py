"""Networks as ONNX files, in float32 and in int8.

Shapes: B texts of a batch, N pieces of the longest.
"""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from numpy.typing import NDArray

from alambique.models.networks import Network
from alambique.runtime.engines import INPUT_NAMES
from alambique.runtime.windows import Inputs

OPSET = 20
_QUANTIZED = ("MatMul", "Gemm", "Gather")
"""The operators whose weights become int8; Gather is that of the embeddings."""
_ONE_SIDED = {"MatMulConstBOnly": True}
"""A product of two activations, as in attention, stays in float32."""
_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir", "root")


def export_onnx(network: Network, path: Path) -> None:
    """Write a network as an ONNX file that takes batches of any size and texts of any length.

    Args:
        network: in float32, on the CPU, in evaluation mode.
        path: of the file.
    """
    # two of each: torch would take an axis of one for a constant
    ids_BN = torch.ones((2, 8), dtype=torch.long)
    example = (ids_BN, torch.ones_like(ids_BN), torch.zeros_like(ids_BN))
    axes = {0: "batch", 1: "length"}
    with _quietly(), torch.no_grad():
        program = torch.onnx.export(
            network,
            example,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            external_data=False,
            input_names=list(INPUT_NAMES),
            output_names=["logits"],
            dynamic_shapes=(axes, axes, axes),
        )
        assert program is not None
        # where each node came from in the Python code: half a megabyte that no engine reads
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()
        program.save(path)
    model = onnx.load(path)
    # onnxruntime's quantizer transposes weights of a Gemm, and keeps the shapes that stand beside
    # them: of a head for whole texts it would refuse its own file
    del model.graph.value_info[:]
    _drop_nan_checks(model.graph)
    onnx.save(model, path)


def _drop_nan_checks(graph: onnx.GraphProto) -> None:
    """Take out what replaces the weights of attention by 0 where they are not numbers.

    torch exports it beside each softmax for rows of a mask that are -inf throughout. A mask that
    comes as true and false is written with the least float32 instead, of which a softmax is always
    a number; and the check passes over all scores of all heads twice, a third of the time of a
    small network in int8 at 384 pieces.
    """
    constants = map(onnx.numpy_helper.to_array, graph.initializer)
    if any(each.dtype == np.float32 and np.isinf(each).any() for each in constants):
        return
    maker = {output: node for node in graph.node for output in node.output}
    weights_of: dict[str, str] = {}
    for node in list(graph.node):
        check = maker.get(node.input[0]) if node.op_type == "Where" else None
        if check is None or check.op_type != "IsNaN" or check.input[0] != node.input[2]:
            continue
        if maker[node.input[2]].op_type == "Softmax":
            weights_of[node.output[0]] = node.input[2]
            graph.node.remove(node)
            graph.node.remove(check)
    for node in graph.node:
        for number, name in enumerate(node.input):
            node.input[number] = weights_of.get(name, name)


def quantize_dynamic(source: Path, path: Path) -> None:
    """Write an ONNX file with its weights in int8, and activations that are quantized as they come.

    Weights have a scale for each output channel, embeddings too. Processors with VNNI multiply
    signed by unsigned bytes without overflow.

    Args:
        source: the file in float32.
        path: of the one in int8.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quietly():
        quantize_dynamic(
            source,
            path,
            per_channel=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(_QUANTIZED),
            extra_options=dict(_ONE_SIDED),
        )


def quantize_static(source: Path, path: Path, calibration: Sequence[Inputs]) -> None:
    """Write an ONNX file with weights in int8, and activations by ranges that were seen before.

    Args:
        source: the file in float32.
        path: of the one in int8.
        calibration: batches of real texts, over which the range of each activation is taken.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives the batches one after the other."""

        def __init__(self) -> None:
            self._batches = iter(calibration)

        def get_next(self) -> dict[str, NDArray[np.int64]] | None:
            inputs = next(self._batches, None)
            return None if inputs is None else named_arrays(inputs)

    with _quietly(), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            op_types_to_quantize=list(_QUANTIZED),
            extra_options=dict(_ONE_SIDED),
        )


def named_arrays(inputs: Inputs) -> dict[str, NDArray[np.int64]]:
    """Return the arrays of a batch by the names that files have for them."""
    arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    return dict(zip(INPUT_NAMES, arrays, strict=True))


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep exporters from reporting what is no news to whoever posted a job."""
    loggers = [logging.getLogger(None if name == "root" else name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
