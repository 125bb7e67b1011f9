"""Model folders of a few thousand weights, and a tokenizer of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from alambique.models.configs import Config, from_scratch
from alambique.models.networks import Network, new, save
from alambique.models.tokenizers import train_tokenizer
from alambique.spec.outputs import Output
from alambique.spec.sources import Architecture

torch.set_num_threads(1)

TEXTS = (
    "El niño de Málaga vio un pingüino en la estación.",
    "¿Dónde nació la científica? Nació en Logroño, a orillas del Ebro.",
    "La canción más antigua se llama «Añoranza».",
)
Family = Literal["bert", "modernbert"]


def config_of(family: Family, *, layers: int = 4) -> Config:
    """Of a tiny network; a ModernBERT whose local layers see 8 pieces of a text."""
    architecture = Architecture(architecture=family, layers=layers, width=16, heads=2, ffn=24)
    size = from_scratch(architecture, vocabulary=120, pad=0, cls=2, sep=3, positions=64)
    if family == "modernbert":
        kinds = ["full_attention", "sliding_attention", "sliding_attention"]
        size |= {"layer_types": (kinds * layers)[:layers], "local_attention": 8}
    return size


def perturbed(network: Network) -> Network:
    """With biases and norms that are not 0 and 1, as after training."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return network


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS, 120, folder)
    return folder


@pytest.fixture
def saved(tmp_path: Path, tokenizer_folder: Path) -> Callable[..., Path]:
    """A folder with a tiny network, as if it had been trained."""

    def folder_of(
        family: Family, output: Output, labels: tuple[str, ...], *, name: str = "start"
    ) -> Path:
        network = perturbed(new(config_of(family), output, labels, seed=1))
        save(network, tmp_path / name, tokenizer_folder)
        return tmp_path / name

    return folder_of


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Ids, attention and types of two windows of 24 pieces, one of them padded."""
    ids_BN = torch.randint(5, 120, (2, 24), generator=torch.Generator().manual_seed(7))
    attention_BN = torch.ones_like(ids_BN)
    attention_BN[1, 20:] = 0
    types_BN = torch.zeros_like(ids_BN)
    types_BN[:, 8:] = 1
    return ids_BN, attention_BN, types_BN
