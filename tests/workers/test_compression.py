"""A tiny network as smaller files: the same answers from ONNX, less space, another precision."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.conftest import TEXTS, config_of, perturbed
from tests.workers.small_batches import SHAPES, batches, torch_logits
from transformers import AutoModelForTokenClassification

from alambique.models.networks import Network, new, save
from alambique.models.tokenizers import train_tokenizer
from alambique.runtime.engines import open_onnx
from alambique.spec.outputs import Output
from alambique.workers.compression.formats import export_onnx, quantize_dynamic, write_low_precision

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


def test_an_int8_file_is_smaller(exported: Path, tmp_path: Path) -> None:
    quantize_dynamic(exported, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size < exported.stat().st_size


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
