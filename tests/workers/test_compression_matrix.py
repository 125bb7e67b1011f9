"""Every family in every format of an engine, beside torch: the table of what differs."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.models.conftest import KINDS, config_of

from alambique.models.networks import Network, new
from alambique.runtime.engines import ONNX_FILE, open_engine
from alambique.runtime.windows import Inputs
from alambique.spec.outputs import Output
from alambique.workers.compression.onnx_files import (
    export_onnx,
    quantize_dynamic,
    quantize_static,
)
from alambique.workers.compression.openvino_files import write_openvino, write_openvino_int8

pytestmark = pytest.mark.slow

LABELS = {
    Output.SPAN: ("start", "end"),
    Output.TAGS: ("O", "B", "I"),
    Output.CLASSES: ("a", "b", "c"),
    Output.SCORE: ("score",),
    Output.STATES: (),
}
PAIRS = [
    *((kind, Output.TAGS) for kind in KINDS),
    *((kind, Output.CLASSES) for kind in KINDS if kind != "bert"),
    *(("bert", output) for output in Output if output is not Output.TAGS),
]
"""Heads of one form are built alike in all families; those of whole texts, of which CLASSES stands
for all, are not."""
SHAPES = ((1, 2), (1, 17), (3, 40), (2, 64), (5, 9))
VOCABULARY = 120
CLOSE = 1e-4
ALIKE = 0.9
"""The least correlation of int8 logits with those of torch: the networks are random and 16 wide."""


@dataclass(frozen=True)
class Difference:
    """How far a file's logits are from torch's."""

    largest: float
    correlation: float
    bytes: int


def batches(seed: int) -> Iterator[Inputs]:
    """Batches of each shape, of random pieces, the last row padded from its middle on."""
    chance = np.random.default_rng(seed)
    for rows, length in SHAPES:
        ids_BN = chance.integers(5, VOCABULARY, (rows, length))
        attention_BN = np.ones_like(ids_BN)
        if rows > 1:
            attention_BN[-1, length // 2 + 1 :] = 0
        yield Inputs(ids_BN, attention_BN, np.zeros_like(ids_BN))


def by_torch(network: Network, inputs: Inputs) -> NDArray[np.float32]:
    arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    with torch.inference_mode():
        logits: NDArray[np.float32] = network(*map(torch.from_numpy, arrays)).numpy()
    return logits


def difference(network: Network, folder: Path) -> Difference:
    """Compare a folder's file with its network over all shapes, padding left out."""
    forward = open_engine(folder, threads=1)
    ours, theirs = [], []
    for inputs in batches(seed=1):
        own, other = by_torch(network, inputs), forward(inputs)
        assert own.shape == other.shape
        seen = inputs.attention_BN.astype(bool)
        is_per_piece = own.shape[1] == inputs.input_ids_BN.shape[1]
        ours.append((own[seen] if is_per_piece else own).ravel())
        theirs.append((other[seen] if is_per_piece else other).ravel())
    a, b = np.concatenate(ours), np.concatenate(theirs)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return Difference(float(abs(a - b).max()), float(np.corrcoef(a, b)[0, 1]), size)


@pytest.mark.parametrize(("kind", "output"), PAIRS)
def test_a_network_answers_in_each_format_as_by_torch(
    kind: str, output: Output, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    # published RoBERTas have one token type, which no engine may take for a constant
    one_type = {"type_vocab_size": 1} if "roberta" in kind else {}
    network = new({**config_of(kind), **one_type}, output, LABELS[output], seed=0)
    with torch.no_grad():  # weights of 0.02 would leave int8 nothing to tell apart
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)) / 8)
    calibration = list(batches(seed=2))
    names = ["onnx", "onnx-int8"]
    # what a further head of whole texts could break is its export, and int8 of its products
    if output is not Output.CLASSES or kind == "bert":
        names += ["onnx-int8-static"]
        if find_spec("openvino") and find_spec("nncf"):
            names += ["openvino", *(["openvino-int8"] if output is Output.TAGS else [])]
    folders = {name: tmp_path / name for name in names}
    for folder in folders.values():
        folder.mkdir()
    exported = folders["onnx"] / ONNX_FILE
    export_onnx(network, exported)
    quantize_dynamic(exported, folders["onnx-int8"] / ONNX_FILE)
    if "onnx-int8-static" in folders:
        quantize_static(exported, folders["onnx-int8-static"] / ONNX_FILE, calibration)
    if "openvino" in folders:
        write_openvino(exported, folders["openvino"])
    if "openvino-int8" in folders:
        write_openvino_int8(exported, folders["openvino-int8"], calibration)
    found = {name: difference(network, folder) for name, folder in folders.items()}
    for name, each in found.items():
        figures = f"{each.largest:.2g} | {each.correlation:.4f} | {each.bytes:,}"
        sys.stdout.write(f"| {kind} | {output} | {name} | {figures} |\n")
    assert found["onnx"].largest < CLOSE
    assert found.get("openvino", found["onnx"]).correlation > 0.9999
    for name in {"onnx-int8", "onnx-int8-static", "openvino-int8"} & found.keys():
        assert found[name].correlation > ALIKE, name
