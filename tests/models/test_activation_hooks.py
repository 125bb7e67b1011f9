"""What the hooks read is what the networks compute: their own states, scores and padding."""

import weakref
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from alambique.distill.activations import QueryKeyValue
from alambique.distill.attention import attention_scores
from alambique.distill.terms.comparison import EMBEDDINGS, LayerSelection
from alambique.models.activation_hooks import ActivationHooks
from alambique.models.configs import Config
from alambique.models.families import family_of
from alambique.models.networks import Network, new
from alambique.spec.errors import BadModel, BadSpec
from alambique.spec.outputs import Output

Batch = tuple[Tensor, Tensor, Tensor]
Tiny = Callable[[str], Config]
ALL = frozenset(range(4))
EVERYTHING = LayerSelection(hidden=ALL | {EMBEDDINGS}, qkv=ALL)


def hooked(config: Config, wanted: LayerSelection = EVERYTHING) -> tuple[Network, ActivationHooks]:
    network = new(config, Output.TAGS, ("a", "b"), seed=1)
    return network, ActivationHooks(network, wanted)


def probabilities(one: QueryKeyValue, heads: int, seen_BNN: Tensor) -> Tensor:
    """The attention that queries and keys make, (B, H, N, N)."""
    queries_BHNd, keys_BHNd = (
        each.reshape(*each.shape[:2], heads, -1).transpose(1, 2)
        for each in (one.queries_BND, one.keys_BND)
    )
    scores_BHNN = attention_scores(queries_BHNd, keys_BHNd)
    return scores_BHNN.masked_fill(~seen_BNN[:, None], float("-inf")).softmax(3)


def test_hidden_states_are_those_of_the_network(config: Config, batch: Batch) -> None:
    network, hooks = hooked(config)
    network(*batch)
    found = hooks.take().hidden
    inputs = dict(zip(("input_ids", "attention_mask"), batch, strict=False))
    inner: Any = network.inner.base_model
    types = {"token_type_ids": batch[2]} if family_of(config).token_types else {}
    expected = inner(**inputs, **types, output_hidden_states=True)
    states = expected.hidden_states
    assert set(found) == {EMBEDDINGS, *range(4)}
    for layer in (EMBEDDINGS, 0, 1, 2):
        torch.testing.assert_close(found[layer], states[layer + 1])
    last = found[3]
    match config["model_type"]:  # transformers tells the last one normalised
        case "modernbert":
            last = inner.final_norm(last)
        case "eurobert":
            last = inner.norm(last)
    torch.testing.assert_close(last, expected.last_hidden_state)


def test_queries_and_keys_make_the_attention_of_the_network(config: Config, batch: Batch) -> None:
    if not family_of(config).dot_product_scores:
        pytest.skip("its scores have parts for distances")
    check_attention(config, batch)


def test_heads_that_share_keys_have_those_that_they_read(tiny: Tiny, batch: Batch) -> None:
    """Of four heads of queries, neighbours share one of keys."""
    shared = {"num_attention_heads": 4, "num_key_value_heads": 2}
    check_attention({**tiny("eurobert"), **shared}, batch)


def check_attention(config: Config, batch: Batch) -> None:
    network, hooks = hooked(config)
    network(*batch)
    states = hooks.take()
    network.inner.set_attn_implementation("eager")
    types = {"token_type_ids": batch[2]} if family_of(config).token_types else {}
    answer = network.inner(
        input_ids=batch[0], attention_mask=batch[1], output_attentions=True, **types
    )
    real_BN = batch[1].bool()
    places = torch.arange(real_BN.shape[1])
    apart_NN = (places[:, None] - places).abs()
    for layer, expected_BHNN in enumerate(answer.attentions):
        near_NN = apart_NN <= states.reach.get(layer, 1000)
        seen_BNN = real_BN[:, None, :] & near_NN
        got_BHNN = probabilities(states.qkv[layer], states.heads, seen_BNN)
        for b, n in real_BN.nonzero().tolist():
            torch.testing.assert_close(got_BHNN[b, :, n], expected_BHNN[b, :, n])


def test_each_layer_projects_its_own(config: Config, batch: Batch) -> None:
    network, hooks = hooked(config, LayerSelection(qkv=ALL))
    network(*batch)
    values = [one.values_BND for one in hooks.take().qkv.values()]
    assert len(values) == 4
    for this, other in pairwise(values):
        assert this.shape == (2, 24, 16)
        assert not torch.allclose(this, other)


def test_an_answer_that_nobody_looked_at_leaves_nothing(config: Config, batch: Batch) -> None:
    network, hooks = hooked(config)
    network(*batch)
    other = tuple(part.flip(0) for part in batch)
    network(*other)
    alone, fresh = hooked(config)
    alone(*other)
    found, expected = hooks.take(), fresh.take()
    for layer, state in expected.hidden.items():
        torch.testing.assert_close(found.hidden[layer], state)
    for layer, one in expected.qkv.items():
        torch.testing.assert_close(found.qkv[layer].keys_BND, one.keys_BND)


def test_gradients_pass(config: Config, batch: Batch) -> None:
    network, hooks = hooked(config)
    network.train()
    network(*batch)
    states = hooks.take()
    compared = [one.queries_BND for one in states.qkv.values()]
    torch.autograd.backward([part.sum() for part in (*states.hidden.values(), *compared)])
    touched = [name for name, weight in network.named_parameters() if weight.grad is not None]
    assert any(part in name for name in touched for part in ("query", "q_lin", "Wqkv", "q_proj"))


def test_only_what_is_wanted_is_kept(config: Config, batch: Batch) -> None:
    network, hooks = hooked(config, LayerSelection(hidden=frozenset({2})))
    network(*batch)
    found = hooks.take()
    assert (set(found.hidden), dict(found.qkv)) == ({2}, {})


@torch.no_grad()
def test_memory_of_other_layers_is_free_at_once(config: Config, batch: Batch) -> None:
    network, hooks = hooked(config, LayerSelection(qkv=frozenset({2})))
    made: list[weakref.ref[Tensor]] = []
    for module in network.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda *passed: made.append(weakref.ref(passed[2])))
    network(*batch)
    kept = len(family_of(config).projections)
    assert sum(ref() is not None for ref in made) == kept
    hooks.take()
    assert all(ref() is None for ref in made)


def test_what_passed_is_taken_once(config: Config, batch: Batch) -> None:
    network, hooks = hooked(config)
    network(*batch)
    hooks.take()
    with pytest.raises(BadModel, match=r"\b0 layers"):
        hooks.take()


def test_a_layer_that_is_not_there_is_an_error(config: Config) -> None:
    with pytest.raises(BadSpec, match="layer 4 is compared, the network has layers 0 to 3"):
        hooked(config, LayerSelection(hidden=frozenset({4})))


def test_hooks_that_find_nothing_are_an_error(config: Config, batch: Batch) -> None:
    _, hooks = hooked(config)
    with pytest.raises(BadModel, match="hooks saw 0 layers in one answer, the network has 4"):
        hooks.take()


def test_a_network_that_is_built_otherwise_is_an_error(config: Config) -> None:
    network = new(config, Output.TAGS, ("a", "b"), seed=1)
    for module in network.inner.modules():
        for name in ("attention", "attn", "self_attn"):
            if hasattr(module, name) and isinstance(getattr(module, name), torch.nn.Module):
                delattr(module, name)
    with pytest.raises(BadModel, match="cannot be compared; leave hidden, attention and relations"):
        ActivationHooks(network, EVERYTHING)
