"""Networks as ONNX files, in float32 and in int8.

Shapes: B texts of a batch, N pieces of the longest.
"""

import logging
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from alambique.models.networks import Network
from alambique.runtime.engines import INPUT_NAMES
from alambique.runtime.windows import Inputs
from alambique.spec.errors import BadModel

OPSET = 20
_QUANTIZED = ("MatMul", "Gemm")
"""The operators whose weights onnxruntime's quantizer makes int8. Of embeddings it would make one
scale for a whole table, which a single large number spoils: of a published MiniLM three times the
error in its pieces, and eight times in its positions."""
_MOST_BYTES = 2**31 - 2**24
"""The most bytes of weights in one file: protobuf writes less than 2 GiB, the graph included."""
_WEIGHT_PRODUCTS_ONLY = {"MatMulConstBOnly": True}
"""A product of two activations, as in attention, stays in float32."""
_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir", "root")


def export_onnx(network: Network, path: Path) -> None:
    """Write a network as an ONNX file that takes batches of any size and texts of any length.

    Args:
        network: in float32, on the CPU, in evaluation mode.
        path: of the file.

    Raises:
        BadModel: its weights do not fit into one file.
    """
    _check_size(network)
    # two of each: torch would take an axis of one for a constant
    ids_BN = torch.ones((2, 8), dtype=torch.long)
    example = (ids_BN, torch.ones_like(ids_BN), torch.zeros_like(ids_BN))
    axes = {0: "batch", 1: "length"}
    with _silence_exporters(), torch.no_grad():
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
    constants = map(numpy_helper.to_array, graph.initializer)
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

    Weights have a scale for each output channel, embeddings for each column. Processors with VNNI
    multiply signed by unsigned bytes without overflow.

    Args:
        source: the file in float32.
        path: of the one in int8.
    """
    from onnxruntime import quantization

    with _silence_exporters(), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        quantization.quantize_dynamic(
            _with_int8_embeddings(source, Path(folder) / "embeddings.onnx"),
            path,
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=list(_QUANTIZED),
            extra_options=dict(_WEIGHT_PRODUCTS_ONLY),
        )


def quantize_static(source: Path, path: Path, calibration: Sequence[Inputs]) -> None:
    """Write an ONNX file with weights in int8, and activations by ranges that were seen before.

    Args:
        source: the file in float32.
        path: of the one in int8.
        calibration: batches of real texts, over which the range of each activation is taken.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.calibrate import CalibrationDataReader
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives the batches one after the other."""

        def __init__(self) -> None:
            self._batches = iter(calibration)

        def get_next(self) -> dict[str, NDArray[np.int64]] | None:
            inputs = next(self._batches, None)
            return None if inputs is None else named_arrays(inputs)

    with _silence_exporters(), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        prepared = Path(folder) / "prepared.onnx"
        embedded = _with_int8_embeddings(source, Path(folder) / "embeddings.onnx")
        quant_pre_process(embedded, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            path,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            activation_type=quantization.QuantType.QUInt8,
            op_types_to_quantize=list(_QUANTIZED),
            extra_options=dict(_WEIGHT_PRODUCTS_ONLY),
        )


def _check_size(network: Network) -> None:
    """Raise `BadModel` if the weights of a network do not fit into one ONNX file."""
    size = sum(each.nbytes for each in (*network.parameters(), *network.buffers()))
    if size > _MOST_BYTES:
        raise BadModel(
            f"the network has {size / 1e9:.2f} GB of weights in float32, and a file of ONNX holds "
            "less than 2 GiB: compress it as bf16 or fp16, or distil a smaller student"
        )


def _with_int8_embeddings(source: Path, path: Path) -> Path:
    """Write an ONNX file with its tables of embeddings in int8, a scale for each column.

    Rows are looked up in bytes, and only those become numbers again.
    """
    model = onnx.load(source)
    graph = model.graph
    uses: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            uses[name].append(node)
    scales: dict[str, str] = {}
    for table in [each for each in graph.initializer if _is_embedding(each, uses[each.name])]:
        weights_VD = numpy_helper.to_array(table)
        largest_D = np.abs(weights_VD).max(axis=0)
        scales_D = np.where(largest_D == 0, 1, largest_D / 127).astype(np.float32)
        rounded_VD = np.round(weights_VD / scales_D).astype(np.int8)
        scales[table.name] = f"{table.name}_scale"
        graph.initializer.append(numpy_helper.from_array(scales_D, scales[table.name]))
        table.CopyFrom(numpy_helper.from_array(rounded_VD, table.name))
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        graph.node.append(node)
        if node.op_type == "Gather" and node.input[0] in scales:
            rows, numbers = f"{node.output[0]}_quantized", node.output[0]
            graph.node[-1].output[0] = rows
            inputs = [rows, scales[node.input[0]]]
            graph.node.append(helper.make_node("DequantizeLinear", inputs, [numbers], axis=-1))
    onnx.save(model, path)
    return path


def _is_embedding(tensor: TensorProto, nodes: Sequence[NodeProto]) -> bool:
    """Return whether all that is done with a tensor is to look up rows."""
    is_table = tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2
    return is_table and bool(nodes) and all(_is_row_lookup(node, tensor.name) for node in nodes)


def _is_row_lookup(node: NodeProto, table: str) -> bool:
    axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
    return node.op_type == "Gather" and node.input[0] == table and axes in ([], [0])


def named_arrays(inputs: Inputs) -> dict[str, NDArray[np.int64]]:
    """Return the arrays of a batch by the names that files have for them."""
    arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    return dict(zip(INPUT_NAMES, arrays, strict=True))


@contextmanager
def _silence_exporters() -> Iterator[None]:
    """Keep exporters from logging and warning of what does not concern whoever posted a job."""
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
