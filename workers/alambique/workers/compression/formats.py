"""Networks in other formats: ONNX in float32 and int8, OpenVINO, and safetensors of 16 bits.

Shapes: B texts of a batch, N pieces of the longest.
"""

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from alambique.models.networks import Network
from alambique.runtime.engines import INPUT_NAMES, OPENVINO_FILE
from alambique.runtime.windows import Inputs

OPSET = 20
_WEIGHTS = "model.safetensors"
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
    onnx.save(model, path)


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


def write_openvino(source: Path, folder: Path) -> None:
    """Write an ONNX file in OpenVINO's form: openvino_model.xml with its weights beside it."""
    import openvino

    # by itself it would write weights of 16 bits
    openvino.save_model(
        openvino.convert_model(source), folder / OPENVINO_FILE, compress_to_fp16=False
    )


def write_openvino_int8(source: Path, folder: Path, calibration: Sequence[Inputs]) -> None:
    """Write an ONNX file in OpenVINO's form, its weights and activations in int8.

    Args:
        source: the file in float32.
        folder: of the files.
        calibration: batches of real texts, over which the range of each activation is taken.
    """
    import nncf
    import openvino

    # after the import, which sets the level itself
    logging.getLogger("nncf").setLevel(logging.ERROR)
    # its progress bars go to standard output, and no setting turns them off
    with redirect_stdout(StringIO()):
        quantized = nncf.quantize(
            openvino.convert_model(source),
            nncf.Dataset([named_arrays(inputs) for inputs in calibration]),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(calibration),
        )
    openvino.save_model(quantized, folder / OPENVINO_FILE, compress_to_fp16=False)


def write_low_precision(source: Path, folder: Path, dtype: torch.dtype) -> None:
    """Write a network's weights and config with its floating-point numbers in another precision.

    Args:
        source: the folder of the network, with one file of weights.
        folder: the one to write to.
        dtype: torch.bfloat16 or torch.float16.
    """
    weights = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in load_file(source / _WEIGHTS).items()
    }
    save_file(weights, folder / _WEIGHTS, metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    config.pop("torch_dtype", None)  # the field's older name, which would contradict the new one
    config["dtype"] = str(dtype).removeprefix("torch.")
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
