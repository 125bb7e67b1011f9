"""The sample encoder can be made again, and the one in the package is whole and small."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModel, ModernBertModel

from alambique.models.sources import SAMPLES, check_folder
from alambique.workers.pretraining import orthogonal, pretrain, schedule

SHIPPED = SAMPLES["sample-encoder"]
FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def make(folder: Path) -> list[float]:
    """A pico encoder after six steps; the losses."""
    losses: list[float] = []
    pretrain(
        folder,
        seed=1,
        steps=6,
        batch_size=4,
        layers=2,
        width=32,
        vocabulary=400,
        report=lambda step, loss: losses.append(loss),
    )
    return losses


def test_what_it_writes_is_loaded_by_plain_transformers(tmp_path: Path) -> None:
    losses = make(tmp_path / "pico")
    assert len(losses) == 6
    assert {path.name for path in (tmp_path / "pico").iterdir()} >= FILES
    assert check_folder(tmp_path / "pico")["model_type"] == "modernbert"
    model = AutoModel.from_pretrained(tmp_path / "pico")
    assert isinstance(model, ModernBertModel)
    assert model.config.num_hidden_layers == 2


def test_the_same_seed_gives_the_same_losses(tmp_path: Path) -> None:
    assert make(tmp_path / "one") == make(tmp_path / "two")


def test_an_orthogonal_matrix_has_singular_values_near_one() -> None:
    matrix = torch.randn(48, 16, generator=torch.Generator().manual_seed(0))
    for given in (matrix, matrix.T):
        values = torch.linalg.svdvals(orthogonal(given))
        assert values.min() > 0.6
        assert values.max() < 1.3


def test_the_rate_rises_stays_and_falls() -> None:
    assert schedule(0, 1000) == pytest.approx(0.01)
    assert schedule(300, 1000) == 1.0
    assert schedule(999, 1000) == pytest.approx(1 / 400)


def test_the_encoder_in_the_package_is_small_and_loads() -> None:
    assert {path.name for path in SHIPPED.iterdir()} >= FILES
    assert (SHIPPED / "model.safetensors").stat().st_size <= 6_000_000
    assert check_folder(SHIPPED)["model_type"] == "modernbert"
    model = AutoModel.from_pretrained(SHIPPED).eval()
    encoding = Tokenizer.from_file(str(SHIPPED / "tokenizer.json")).encode("¿Dónde nació?", "Aquí.")
    with torch.no_grad():
        hidden = model(torch.tensor([encoding.ids])).last_hidden_state
    assert hidden.shape == (1, len(encoding.ids), model.config.hidden_size)
    assert torch.isfinite(hidden).all()
