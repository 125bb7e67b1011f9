"""Model folders of a few thousand weights, and a tokenizer of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from alambique.models.configs import Config
from alambique.models.families import FAMILIES
from alambique.models.networks import Network, new, save
from alambique.models.tokenizers import train_tokenizer
from alambique.spec.outputs import Output

torch.set_num_threads(1)

TEXTS = (
    "El niño de Málaga vio un pingüino en la estación.",
    "¿Dónde nació la científica? Nació en Logroño, a orillas del Ebro.",
    "La canción más antigua se llama «Añoranza».",
)
_SIZES = {"layers": 4, "width": 16, "heads": 2, "ffn": 24, "embedding": 8}
# positions of a RoBERTa begin after the id of its padding
_ROBERTA = {"max_position_embeddings": 66, "pad_token_id": 1}
_DEBERTA = {
    "relative_attention": True,
    "position_buckets": 6,
    "pos_att_type": ["p2c", "c2p"],
    "norm_rel_ebd": "layer_norm",
    "type_vocab_size": 2,
}
_OWN: dict[str, dict[str, Any]] = {
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    # of version 2, with a convolution; and of version 3
    "deberta-v2": _DEBERTA | {"conv_kernel_size": 3, "attention_head_size": 8},
    "deberta-v3": _DEBERTA | {"share_att_key": True, "position_biased_input": False},
    # local layers see 8 pieces of a text
    "modernbert": {
        "layer_types": ["full_attention", *["sliding_attention"] * 2, "full_attention"],
        "local_attention": 8,
        **dict.fromkeys(("bos_token_id", "cls_token_id"), 2),
        **dict.fromkeys(("eos_token_id", "sep_token_id"), 3),
    },
    # both heads of queries read the same keys
    "eurobert": {
        "num_key_value_heads": 1,
        **{"bos_token_id": 2, "eos_token_id": 3, "mask_token_id": 4},
    },
}
KINDS = (*FAMILIES, "deberta-v3")
"""Every family, and one of them in both of its forms."""


def config_of(kind: str) -> Config:
    """Of a tiny network of four layers."""
    family = "deberta-v2" if kind == "deberta-v3" else kind
    sizes = {field: _SIZES[size] for size, field in FAMILIES[family].fields.items()}
    common = {"vocab_size": 120, "max_position_embeddings": 64, "pad_token_id": 0}
    return {"model_type": family, **common, **sizes, **_OWN.get(kind, {})}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every family in turn."""
    return str(request.param)


@pytest.fixture
def config(kind: str) -> Config:
    """Of a tiny network of the family."""
    return config_of(kind)


@pytest.fixture
def tiny() -> Callable[[str], Config]:
    """Of a tiny network of any family."""
    return config_of


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
        family: str, output: Output, labels: tuple[str, ...], *, name: str = "start"
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
