"""A tiny network as smaller files: the same answers from ONNX, less space, another precision."""

from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from tests.models.conftest import TEXTS, config_of, perturbed
from tests.workers.small_batches import SHAPES, batches, torch_logits
from transformers import AutoModelForTokenClassification

from alambique.models.networks import Network, new, save
from alambique.models.tokenizers import train_tokenizer
from alambique.runtime.engines import open_onnx
from alambique.spec.errors import BadModel
from alambique.spec.outputs import Output
from alambique.workers.compression.low_precision import write_low_precision
from alambique.workers.compression.onnx_files import export_onnx, quantize_dynamic

LABELS = ("O", "B-PER", "I-PER")


@pytest.fixture(scope="module")
def network() -> Network:
    return perturbed(new(config_of("bert"), Output.TAGS, LABELS, seed=1))


@pytest.fixture(scope="module")
def exported(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(network, path)
    return path


def test_an_onnx_file_answers_as_torch(network: Network, exported: Path) -> None:
    engine = open_onnx(exported, threads=1)
    for inputs in batches(SHAPES):
        np.testing.assert_allclose(engine(inputs), torch_logits(network, inputs), atol=1e-4)


def test_no_operator_looks_for_weights_of_attention_that_are_no_numbers(exported: Path) -> None:
    operators = [node.op_type for node in onnx.load(exported).graph.node]
    assert operators.count("Softmax") == 4
    assert "IsNaN" not in operators


def test_all_matrices_of_an_int8_file_are_bytes(exported: Path, tmp_path: Path) -> None:
    quantize_dynamic(exported, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size < exported.stat().st_size
    (left,) = tmp_path.iterdir()
    whole = {one.name: one for one in onnx.load(exported).graph.initializer}
    small = {one.name: one for one in onnx.load(left).graph.initializer}
    assert [n for n, one in small.items() if one.data_type == 1 and len(one.dims) > 1] == []
    tables = [name for name in small if name.endswith("embeddings.weight")]
    assert len(tables) == 3  # of pieces, positions and token types
    for name in tables:
        weights_VD = numpy_helper.to_array(whole[name])
        scales_D = numpy_helper.to_array(small[f"{name}_scale"])
        assert scales_D.shape == weights_VD.shape[1:]
        error_VD = numpy_helper.to_array(small[name]) * scales_D - weights_VD
        assert (np.abs(error_VD) <= 0.5001 * scales_D).all()


def test_int8_answers_nearly_as_torch(network: Network, exported: Path, tmp_path: Path) -> None:
    quantize_dynamic(exported, tmp_path / "model.onnx")
    engine = open_onnx(tmp_path / "model.onnx", threads=1)
    for inputs in batches(SHAPES):
        ours, theirs = engine(inputs), torch_logits(network, inputs)
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.98


def test_weights_that_one_file_cannot_hold_are_refused(tmp_path: Path) -> None:
    with torch.device("meta"):
        large = cast(Network, torch.nn.Linear(30_000, 20_000))
    with pytest.raises(BadModel, match=r"2\.40 GB.*bf16"):
        export_onnx(large, tmp_path / "model.onnx")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_plain_transformers_loads_low_precision(
    network: Network, tmp_path: Path, dtype: torch.dtype
) -> None:
    (tmp_path / "tokenizer").mkdir()
    train_tokenizer(TEXTS, 120, tmp_path / "tokenizer")
    save(network, tmp_path / "full", tmp_path / "tokenizer")
    (tmp_path / "low").mkdir()
    write_low_precision(tmp_path / "full", tmp_path / "low", dtype)
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path / "low")
    assert {each.dtype for each in loaded.parameters()} == {dtype}
