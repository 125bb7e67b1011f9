"""Students cut from a teacher compute what its remaining layers compute."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alambique.models.configs import Config, depth, sizes_of
from alambique.models.networks import Network, load, new, save
from alambique.models.shapes import attention_kinds, resized_config, with_layers
from alambique.models.students import cut
from alambique.spec.errors import BadSpec
from alambique.spec.outputs import Output

Batch = tuple[Tensor, Tensor, Tensor]
Saved = Callable[..., Path]
Tiny = Callable[[str], Config]
TAGS = ("O", "B-PER", "I-PER")
FAMILIES = pytest.mark.parametrize("family", ["bert", "modernbert"])


def without_other_layers(deep: Network, kept: tuple[int, ...]) -> Network:
    """The teacher itself, its other layers taken out of it."""
    body: Any = deep.inner.base_model
    match deep.config["model_type"]:
        case "albert":
            body.encoder.config.num_hidden_layers = len(kept)
        case "distilbert":
            body.transformer.layer = picked(body.transformer.layer, kept)
        case "modernbert" | "eurobert":
            body.layers = picked(body.layers, kept)
        case _:
            body.encoder.layer = picked(body.encoder.layer, kept)
    return deep


def picked(layers: Any, kept: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(layers[number] for number in kept)


@torch.no_grad()
def answer(network: Network, batch: Batch) -> Tensor:
    logits_BNC: Tensor = network(*batch)
    return logits_BNC


@pytest.mark.parametrize("kept", [(0, 1, 2, 3), (0, 3), (0,)])
def test_a_cut_student_computes_what_the_layers_kept_compute(
    saved: Saved, batch: Batch, kind: str, kept: tuple[int, ...]
) -> None:
    folder = saved(kind, Output.TAGS, TAGS)
    expected = without_other_layers(load(folder, Output.TAGS, TAGS), kept)
    student = cut(folder, kept, Output.TAGS, TAGS, seed=1)
    assert student.head_present
    assert depth(student.config) == len(kept)
    assert torch.equal(answer(student, batch), answer(expected, batch))


def test_each_layer_keeps_its_kind_of_attention(saved: Saved) -> None:
    folder = saved("modernbert", Output.TAGS, TAGS)
    teacher = attention_kinds(load(folder, Output.TAGS, TAGS).config)
    for kept in ((0, 1), (0, 3), (0, 2, 3), (1, 3)):
        student = cut(folder, kept, Output.TAGS, TAGS, seed=1)
        assert attention_kinds(student.config) == tuple(teacher[layer] for layer in kept)


def test_another_first_layer_of_a_bert_computes_what_it_did(saved: Saved, batch: Batch) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    expected = without_other_layers(load(folder, Output.TAGS, TAGS), (2, 3))
    student = cut(folder, (2, 3), Output.TAGS, TAGS, seed=1)
    assert torch.equal(answer(student, batch), answer(expected, batch))


def test_another_first_layer_of_a_modernbert_has_its_norm_folded_in(
    saved: Saved, batch: Batch
) -> None:
    """Where the embeddings' norm scales all columns alike, a second norm of them is their own."""
    folder = saved("modernbert", Output.TAGS, TAGS)
    deep = load(folder, Output.TAGS, TAGS)
    weights = deep.state_dict()
    weights["inner.model.embeddings.norm.weight"].fill_(1)
    save(deep, folder, folder)
    expected = without_other_layers(load(folder, Output.TAGS, TAGS), (2, 3))
    assert "inner.model.layers.0.attn_norm.weight" in expected.state_dict()
    student = cut(folder, (2, 3), Output.TAGS, TAGS, seed=1)
    torch.testing.assert_close(answer(student, batch), answer(expected, batch), rtol=0, atol=1e-3)


@FAMILIES
def test_a_student_of_other_labels_has_a_new_head_from_its_seed(saved: Saved, family: str) -> None:
    folder = saved(family, Output.TAGS, TAGS)
    one, same, other = (
        cut(folder, (0, 1), Output.TAGS, ("O", "B-LOC"), seed=seed) for seed in (1, 1, 2)
    )
    heads = [network.state_dict()["inner.classifier.weight"] for network in (one, same, other)]
    assert not one.head_present
    assert heads[0].shape == (2, 16)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


@FAMILIES
def test_a_student_of_permuted_labels_keeps_the_head(
    saved: Saved, batch: Batch, family: str
) -> None:
    folder = saved(family, Output.TAGS, TAGS)
    student = cut(folder, (0, 2), Output.TAGS, TAGS[::-1], seed=1)
    expected_BNC = answer(cut(folder, (0, 2), Output.TAGS, TAGS, seed=1), batch).flip(-1)
    assert student.head_present
    torch.testing.assert_close(answer(student, batch), expected_BNC, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kept", [(), (0, 4), (1, 0), (0, 0), (-1,)])
def test_layers_that_are_not_there_cannot_be_kept(tiny: Tiny, kept: tuple[int, ...]) -> None:
    with pytest.raises(BadSpec, match=r"layers .*\b0 to 3"):
        with_layers(tiny("bert"), kept)


def test_a_random_student_has_the_size_asked_for(
    saved: Saved, batch: Batch, kind: str, config: Config
) -> None:
    teacher = load(saved(kind, Output.TAGS, TAGS), Output.TAGS, TAGS)
    asked = resized_config(teacher.config, layers=5, width=24, heads=4, ffn=8)
    student = new(asked, Output.TAGS, TAGS, seed=1)
    assert answer(student, batch).shape == (2, 24, 3)
    said = sizes_of(student.config)
    assert (said.layers, said.width, said.heads, said.ffn) == (5, 24, 4, 8)
    assert student.config["vocab_size"] == config["vocab_size"]
