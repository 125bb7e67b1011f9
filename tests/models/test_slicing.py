"""Slices of weights: of equal size, of the right shapes, and the right ones."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from alambique.models.configs import Config
from alambique.models.families import family_of
from alambique.models.networks import PREFIX, Network, new
from alambique.models.shapes import narrowed_config
from alambique.models.students import narrow, slice_weights
from alambique.spec.errors import BadModel
from alambique.spec.outputs import Output

Batch = tuple[Tensor, Tensor, Tensor]
Tiny = Callable[[str], Config]
LABELS = ("CCAT", "ECAT", "GCAT")
OUTPUTS = pytest.mark.parametrize("output", Output)
BERT = {
    "model_type": "bert",
    "vocab_size": 3,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 3,
}
MODERNBERT = BERT | {"model_type": "modernbert"}
EUROBERT = BERT | {"model_type": "eurobert", "num_attention_heads": 4, "num_key_value_heads": 2}


def network_of(config: Config, output: Output) -> Network:
    named = {Output.SPAN: ("start", "end"), Output.SCORE: ("similarity",), Output.STATES: ()}
    labels = named.get(output, LABELS)
    return new(config, output, labels, seed=1)


@torch.no_grad()
def answer(network: Network, batch: Batch) -> Tensor:
    logits_BNC: Tensor = network(*batch)
    return logits_BNC


@OUTPUTS
def test_slices_of_equal_size_are_the_weights(config: Config, output: Output) -> None:
    weights = network_of(config, output).state_dict()
    same = slice_weights(weights, config, narrowed_config(config))
    assert same.keys() == weights.keys()
    assert all(torch.equal(same[name], weights[name]) for name in weights)


@OUTPUTS
@pytest.mark.parametrize(("width", "heads", "ffn"), [(8, 2, 12), (8, 1, 24), (16, 2, 7)])
def test_slices_fit_the_network_of_the_new_config(
    config: Config, output: Output, width: int, heads: int, ffn: int, batch: Batch
) -> None:
    """Also a narrower embedding, where there is one."""
    narrower = 5 if "embedding" in family_of(config).fields else None
    asked = narrowed_config(config, width=width, heads=heads, ffn=ffn, embedding=narrower)
    wide = network_of(config, output)
    student = narrow(wide, asked)
    assert student.labels == wide.labels
    expected = network_of(asked, output).state_dict()
    assert {name: weight.shape for name, weight in student.state_dict().items()} == {
        name: weight.shape for name, weight in expected.items()
    }
    assert answer(student, batch).isfinite().all()


def test_a_network_of_the_size_asked_for_is_left_alone(config: Config) -> None:
    network = network_of(config, Output.TAGS)
    assert narrow(network, narrowed_config(config)) is network


def layer_of(config: Config, name: str, rows: int, columns: int, **sizes: int) -> Tensor:
    """What is kept of a layer whose entry (i, j) is 100 i + j."""
    layer = 100 * torch.arange(rows)[:, None] + torch.arange(columns)
    weights = {f"{PREFIX}{name}.weight": layer, f"{PREFIX}{name}.bias": torch.arange(rows)}
    kept = slice_weights(weights, config, narrowed_config(config, **sizes))
    matrix, bias = kept[f"{PREFIX}{name}.weight"], kept[f"{PREFIX}{name}.bias"]
    assert torch.equal(matrix[:, 0] // 100, bias)
    return matrix


@pytest.mark.parametrize("part", ["query", "key", "value"])
def test_heads_of_the_same_size_are_the_first_ones(part: str) -> None:
    kept = layer_of(BERT, f"bert.encoder.layer.0.attention.self.{part}", 8, 8, width=4, heads=1)
    assert kept.tolist() == [[100 * i + j for j in range(4)] for i in range(4)]


@pytest.mark.parametrize("part", ["query", "key", "value"])
def test_of_narrower_heads_the_first_columns_of_each(part: str) -> None:
    kept = layer_of(BERT, f"bert.encoder.layer.0.attention.self.{part}", 8, 8, width=4)
    assert kept.tolist() == [[100 * i + j for j in range(4)] for i in (0, 1, 4, 5)]


def test_what_follows_the_heads_reads_the_columns_kept() -> None:
    kept = layer_of(BERT, "bert.encoder.layer.0.attention.output.dense", 8, 8, width=4)
    assert kept.tolist() == [[100 * i + j for j in (0, 1, 4, 5)] for i in range(4)]
    after = layer_of(BERT, "bert.encoder.layer.0.output.dense", 8, 3, width=4, ffn=2)
    assert after.tolist() == [[100 * i + j for j in (0, 1)] for i in range(4)]


def test_queries_keys_and_values_in_one_layer_are_sliced_each() -> None:
    """Heads of 4 columns, of which 0 turns with 2 and 1 with 3; of 2 columns, 0 with 1."""
    kept = layer_of(MODERNBERT, "model.layers.0.attn.Wqkv", 24, 8, width=4)
    turned, plain = [0, 2, 4, 6], [0, 1, 4, 5]
    rows = [*turned, *(8 + i for i in turned), *(16 + i for i in plain)]
    assert kept.tolist() == [[100 * i + j for j in range(4)] for i in rows]
    whole = layer_of(MODERNBERT, "model.layers.0.attn.Wqkv", 24, 8, width=4, heads=1)
    assert (whole[:, 0] // 100).tolist() == [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19]


def test_heads_that_share_keys_are_sliced_with_their_keys() -> None:
    """Heads of 2 columns, two of queries to one of keys: of two that are kept, both read one."""
    sizes = {"width": 4, "heads": 2}
    for part, rows in (("q", 4), ("k", 2), ("v", 2)):
        name = f"model.layers.0.self_attn.{part}_proj"
        kept = layer_of(EUROBERT, name, 8 if part == "q" else 4, 8, **sizes)
        assert kept.tolist() == [[100 * i + j for j in range(4)] for i in range(rows)]
    wide = EUROBERT | {"hidden_size": 16}  # heads of 4 columns, of which 0 turns with 2
    for part, rows_kept in (("q", 16), ("k", 8)):
        kept = layer_of(wide, f"model.layers.0.self_attn.{part}_proj", rows_kept, 16, width=8)
        assert (kept[:, 0] // 100).tolist() == list(range(0, rows_kept, 2))
    values = layer_of(wide, "model.layers.0.self_attn.v_proj", 8, 16, width=8)
    assert (values[:, 0] // 100).tolist() == [0, 1, 4, 5]


def test_a_gated_layer_is_sliced_in_both_halves() -> None:
    kept = layer_of(MODERNBERT, "model.layers.0.mlp.Wi", 6, 8, width=4, ffn=2)
    assert kept.tolist() == [[100 * i + j for j in range(4)] for i in (0, 1, 3, 4)]
    after = layer_of(MODERNBERT, "model.layers.0.mlp.Wo", 8, 3, width=4, ffn=2)
    assert after.tolist() == [[100 * i + j for j in (0, 1)] for i in range(4)]


def test_classes_are_all_kept() -> None:
    kept = layer_of(BERT, "classifier", 3, 8, width=4)
    assert kept.tolist() == [[100 * i + j for j in range(4)] for i in range(3)]


@torch.no_grad()
def test_a_feed_forward_layer_without_what_is_zero_computes_the_same(
    config: Config, batch: Batch
) -> None:
    """The inner columns that are cut away gave nothing to the layer after them."""
    wide = network_of(config, Output.CLASSES)
    after = ("ffn_output", "lin2", "mlp.Wo", "output.dense", "mlp.down_proj")
    for name, weight in wide.named_parameters():
        if name.removesuffix(".weight").endswith(after) and "attention" not in name:
            weight[:, 16:] = 0
    narrower = narrow(wide, narrowed_config(config, ffn=16))
    torch.testing.assert_close(answer(narrower, batch), answer(wide, batch), rtol=0, atol=1e-6)


def test_pairs_of_a_narrower_head_have_the_pace_of_those_kept(tiny: Tiny) -> None:
    """Pairs that turn together stay together, and turn as fast as before."""
    config = {**tiny("modernbert"), "hidden_size": 32, "num_attention_heads": 2}
    asked = narrowed_config(config, width=16)
    wide, narrower = (network_of(one, Output.TAGS) for one in (config, asked))
    name = "inner.model.layers.0.attn.Wqkv.weight"
    rows = torch.arange(96)[:, None].expand(96, 32)
    kept = slice_weights({name: rows}, config, asked)[name][:8, 0]
    assert torch.equal(kept[4:], kept[:4] + 8)
    for kind in ("full_attention", "sliding_attention"):
        paces, theirs = (
            one.inner.get_buffer(f"model.rotary_emb.{kind}_inv_freq") for one in (wide, narrower)
        )
        torch.testing.assert_close(theirs, paces[kept[:4]])


def test_paces_of_a_narrower_head_of_a_eurobert(tiny: Tiny) -> None:
    config = {**tiny("eurobert"), "hidden_size": 32}
    asked = narrowed_config(config, width=16)
    wide, narrower = (network_of(one, Output.TAGS) for one in (config, asked))
    name = "inner.model.layers.0.self_attn.k_proj.weight"
    rows = torch.arange(16)[:, None].expand(16, 32)
    kept = slice_weights({name: rows}, config, asked)[name][:, 0]
    assert torch.equal(kept[4:], kept[:4] + 8)
    paces, theirs = (one.inner.get_buffer("model.rotary_emb.inv_freq") for one in (wide, narrower))
    torch.testing.assert_close(theirs, paces[kept[:4]])


def test_a_weight_that_nobody_knows() -> None:
    with pytest.raises(BadModel, match=r"axes of the weight 'bert\.adapter\.weight'"):
        slice_weights({"bert.adapter.weight": torch.zeros(2, 2)}, BERT, BERT)
