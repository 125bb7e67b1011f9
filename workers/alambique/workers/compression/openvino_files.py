"""Networks as OpenVINO files, in float32 and in its own int8."""

import logging
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from alambique.runtime.engines import OPENVINO_FILE, import_openvino
from alambique.runtime.windows import Inputs
from alambique.workers.compression.onnx_files import named_arrays

if TYPE_CHECKING:
    import openvino


def write_openvino(source: Path, folder: Path) -> None:
    """Write an ONNX file in OpenVINO's form: openvino_model.xml with its weights beside it."""
    openvino = import_openvino()
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
    openvino = import_openvino()
    import nncf

    # after the import, which sets the level itself
    logging.getLogger("nncf").setLevel(logging.ERROR)
    # its progress bars go to standard output, and no setting turns them off
    with redirect_stdout(StringIO()):
        network = openvino.convert_model(source)
        quantized = nncf.quantize(
            network,
            nncf.Dataset([named_arrays(inputs) for inputs in calibration]),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(calibration),
            ignored_scope=nncf.IgnoredScope(names=_one_row_lookups(network)),
        )
    openvino.save_model(quantized, folder / OPENVINO_FILE, compress_to_fp16=False)


def _one_row_lookups(network: "openvino.Model") -> list[str]:
    """Return the names of the look-ups in embeddings of one row, as RoBERTa has for token types.

    OpenVINO cannot read a file in which such a row is in int8: it takes the look-up for a constant.
    """
    return [
        operation.get_friendly_name()
        for operation in network.get_ops()
        if operation.get_type_name() == "Gather"
        and operation.input_value(0).get_partial_shape()[0] == 1
    ]
