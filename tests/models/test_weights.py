"""Safetensors read without torch: shards, hashes, damage, numbers that are not finite."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from alambique.models.weights import check_finite, stored_tensors, weights_hash
from alambique.spec.errors import BadModel

CONFIG = {"model_type": "bert", "num_attention_heads": 2, "id2label": {"0": "O", "1": "B-PER"}}


def state() -> dict[str, Tensor]:
    return {
        "b": torch.arange(6.0).reshape(2, 3),
        "a": torch.tensor([1.5, -2.5], dtype=torch.bfloat16),
        "h": torch.tensor([65504.0], dtype=torch.float16),
        "n": torch.tensor([2**40, -1]),
        "empty": torch.zeros(0, 3),
    }


def folder_of(folder: Path, weights: dict[str, Tensor], **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "model", state())


def shard(folder: Path, *, shards: int = 2) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = {name: f"model-{i % shards}.safetensors" for i, name in enumerate(weights)}
    for file in set(names.values()):
        save_file({n: w for n, w in weights.items() if names[n] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def test_every_tensor_by_name(folder: Path) -> None:
    found = {tensor.name: tensor for tensor in stored_tensors(folder)}
    assert list(found) == sorted(state())
    assert {name: tensor.shape for name, tensor in found.items()} == {
        name: tuple(tensor.shape) for name, tensor in state().items()
    }
    assert found["a"].dtype == "BF16"
    assert found["b"].data.view(np.float32).tolist() == [0, 1, 2, 3, 4, 5]


def test_the_hash_is_of_content(folder: Path, tmp_path: Path) -> None:
    before = weights_hash(folder)
    assert before == weights_hash(shutil.copytree(folder, tmp_path / "elsewhere"))
    shard(folder)
    assert before == weights_hash(folder)
    other_order = dict(reversed(state().items()))
    assert before == weights_hash(folder_of(tmp_path / "order", other_order))


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("b", torch.arange(6.0).reshape(3, 2)),
        ("b", torch.arange(6, dtype=torch.int32).reshape(2, 3)),
        ("b", torch.tensor([[0.0, 1, 2], [3, 4, 5 + 1e-6]])),
        ("a", torch.tensor([1.5, 2.5], dtype=torch.bfloat16)),
        ("c", torch.zeros(1)),
    ],
)
def test_other_weights_have_another_hash(
    folder: Path, tmp_path: Path, name: str, tensor: Tensor
) -> None:
    other = folder_of(tmp_path / "other", state() | {name: tensor})
    assert weights_hash(other) != weights_hash(folder)


def test_of_the_config_what_changes_an_output_counts(folder: Path, tmp_path: Path) -> None:
    names = {"id2label": {"0": "O", "1": "B-LOC"}, "transformers_version": "0", "dtype": "float32"}
    renamed = folder_of(tmp_path / "renamed", state(), **names)
    assert weights_hash(renamed) == weights_hash(folder)
    heads = folder_of(tmp_path / "heads", state(), num_attention_heads=4)
    assert weights_hash(heads) != weights_hash(folder)


def test_finite_weights_pass(folder: Path) -> None:
    check_finite(folder)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_one_weight_that_is_not_finite_is_refused(
    tmp_path: Path, dtype: torch.dtype, bad: float
) -> None:
    weights = state() | {"z": torch.tensor([1.0, bad, torch.finfo(dtype).max], dtype=dtype)}
    with pytest.raises(BadModel, match=r"'z' .* not all finite"):
        check_finite(folder_of(tmp_path / "model", weights))
    weights["z"] = torch.tensor([torch.finfo(dtype).max, torch.finfo(dtype).min], dtype=dtype)
    check_finite(folder_of(tmp_path / "model", weights))


def test_the_last_of_many_weights_is_looked_at_too(tmp_path: Path) -> None:
    many = torch.zeros(2**22 + 2)  # two more than are looked at together
    many[-1] = torch.nan
    with pytest.raises(BadModel, match=r"'z' .*NaN"):
        check_finite(folder_of(tmp_path / "model", {"z": many}))


def test_weights_of_a_type_that_is_not_read_are_refused(tmp_path: Path) -> None:
    weights = {"q": torch.zeros(2).to(torch.float8_e4m3fn)}
    with pytest.raises(BadModel, match="type F8_E4M3 are not supported"):
        check_finite(folder_of(tmp_path / "model", weights))


def framed(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


@pytest.mark.parametrize("kept", [0, 4, 40, -1])
def test_a_file_that_is_cut_short_is_refused(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadModel, match=r"is no safetensors file.*damaged.*fetch the model again"):
        check_finite(folder)


@pytest.mark.parametrize("junk", [b"x" * 200, framed(b"[]"), framed(b'{"a": {}}')])
def test_a_file_that_is_something_else_is_refused(folder: Path, junk: bytes) -> None:
    (folder / "model.safetensors").write_bytes(junk)
    with pytest.raises(BadModel, match=r"model\.safetensors .*header"):
        check_finite(folder)


def test_a_shard_that_is_missing_is_named(folder: Path) -> None:
    shard(folder)
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(BadModel, match=r"names model-1\.safetensors, not there"):
        check_finite(folder)


@pytest.mark.parametrize("content", ["{}", '{"weight_map": {"a": {}}}', "[" * 100_000])
def test_an_index_that_is_none_is_refused(folder: Path, content: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(content)
    with pytest.raises(BadModel, match="not an index of weights"):
        check_finite(folder)


def test_pickled_weights_are_never_loaded(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadModel, match=r"only pytorch_model\.bin.* can run code.*convert"):
        check_finite(folder)
