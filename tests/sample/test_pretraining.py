"""The sample encoder can be made again, and the one in the package is whole and small."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from benchmarks.sample.encoder.muon import orthogonal, schedule
from benchmarks.sample.encoder.pointing import batches, gaps
from benchmarks.sample.encoder.pretraining import pretrain
from benchmarks.sample.lessons import lessons
from tokenizers import Tokenizer
from transformers import AutoModel, ModernBertModel

from alambique.models.sources import SAMPLES, check_folder

SHIPPED = SAMPLES["sample-encoder"]
FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def make(folder: Path) -> list[float]:
    """A pico encoder after six steps; the losses."""
    losses: list[float] = []
    pretrain(
        folder,
        seed=1,
        masked=3,
        pointed=2,
        dropped=1,
        batch_size=4,
        layers=2,
        width=32,
        vocabulary=400,
        texts=300,
        report=lambda aim, step, loss: losses.append(loss),
    )
    return losses


def test_what_it_writes_is_loaded_by_plain_transformers_and_a_seed_gives_it_again(
    tmp_path: Path,
) -> None:
    losses = make(tmp_path / "pico")
    assert len(losses) == 6
    assert {path.name for path in (tmp_path / "pico").iterdir()} >= FILES
    assert check_folder(tmp_path / "pico")["model_type"] == "modernbert"
    model = AutoModel.from_pretrained(tmp_path / "pico")
    assert isinstance(model, ModernBertModel)
    assert model.config.num_hidden_layers == 2
    assert make(tmp_path / "again") == losses


def test_a_gap_is_a_question_without_its_answer_and_the_sentence_that_has_it() -> None:
    for gap in islice(gaps(lessons(3)), 60):
        answer = gap.passage[gap.answer.start : gap.answer.end]
        sentence = gap.passage[gap.sentence.start : gap.sentence.end]
        assert gap.question.startswith("¿")
        assert gap.question.endswith("?")
        assert answer in sentence
        assert sentence.rstrip().endswith(".")


def test_a_batch_points_to_the_pieces_of_the_answer_in_its_sentence() -> None:
    tokenizer = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    batch = next(batches(tokenizer, seed=1, steps=2, size=4))
    for b, (first, last) in enumerate(batch.span_B2.tolist()):
        assert first <= last
        assert batch.passage_BN[b, first : last + 1].all()
        assert batch.evidence_BN[b, first : last + 1].all()
    assert not (batch.evidence_BN.bool() & ~batch.passage_BN).any()
    question_BN = batch.attention_BN.bool() & ~batch.passage_BN & (batch.input_ids_BN > 4)
    assert batch.shared_BN[question_BN].all()


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
