"""Dynamic int8 rounds a text by those beside it; other files do not."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from alambique.runtime.engines import depends_on_batch


def write(path: Path, operator: str, outputs: list[str]) -> None:
    """A network of one operator."""
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch"])
    made = helper.make_tensor_value_info(outputs[0], TensorProto.FLOAT, ["batch"])
    graph = helper.make_graph([helper.make_node(operator, ["x"], outputs)], "g", [given], [made])
    onnx.save(helper.make_model(graph), path)


@pytest.mark.parametrize(
    ("operator", "outputs", "expected"),
    [("DynamicQuantizeLinear", ["y", "scale", "zero"], True), ("Relu", ["y"], False)],
)
def test_it_is_seen_in_the_file(
    tmp_path: Path, operator: str, outputs: list[str], expected: bool
) -> None:
    write(tmp_path / "model.onnx", operator, outputs)
    assert depends_on_batch(tmp_path) is expected


def test_a_folder_without_the_file_does_not(tmp_path: Path) -> None:
    assert not depends_on_batch(tmp_path)
