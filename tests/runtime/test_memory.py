"""What a network's file takes in memory: more where the file is larger, and nothing that failed."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from alambique.runtime.memory import measure_memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux alone")

ROWS = 100_000


def write_embeddings(path: Path, width: int) -> None:
    """A network of one embedding."""
    table = numpy_helper.from_array(np.ones((ROWS, width), np.float32), "table")
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])
    made = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "length", width])
    node = helper.make_node("Gather", ["table", "input_ids"], ["logits"])
    graph = helper.make_graph([node], "g", [ids], [made], [table])
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def test_it_grows_with_the_file(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "model.onnx", 128)
    size = (tmp_path / "model.onnx").stat().st_size
    assert size == pytest.approx(ROWS * 128 * 4, rel=0.01)
    found = measure_memory(tmp_path, (2, 30), threads=1)
    assert found is not None
    assert size < found < 2 * size


def test_what_cannot_be_opened_has_none(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no network")
    assert measure_memory(tmp_path, (1, 5), threads=1) is None
