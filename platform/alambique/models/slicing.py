"""Weights of a narrower network: of each tensor of a wider one, the slice that it starts with."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from alambique.models.configs import Config, Sizes, sizes_of
from alambique.spec.errors import BadModel

_Axis = Literal[
    "whole", "width", "embedding", "ffn", "gated", "heads", "qkv", "queries", "keys", "values"
]
"""What an axis of a tensor counts; `whole`: what no size changes, such as classes or positions;
`gated`: the values and then the gates of a feed-forward layer; `qkv`: heads of queries, keys and
values, of which the first two are turned; `queries`, `keys`, `values`: likewise, each alone, the
last two of as many heads as there are of keys."""
_Kept = Mapping[_Axis, Tensor]
"""For each kind of axis, the indices that are kept of it."""

_QUERIES = ("query", "q_lin", "query_proj", "pos_query_proj")
_KEYS = ("key", "k_lin", "key_proj", "pos_key_proj")
_VALUES = ("value", "v_lin", "value_proj")
_AXES: tuple[tuple[tuple[_Axis, ...], tuple[str, ...]], ...] = (
    (("heads", "width"), (*_QUERIES, *_KEYS, *_VALUES)),
    (("qkv", "width"), ("attn.Wqkv",)),
    (
        ("width", "heads"),
        ("attention.output.dense", "attention.dense", "attention.out_lin", "attn.Wo"),
    ),
    (("ffn", "width"), ("intermediate.dense", "ffn.lin1", "ffn")),
    (("gated", "width"), ("mlp.Wi",)),
    (("width", "ffn"), ("output.dense", "ffn.lin2", "ffn_output", "mlp.Wo")),
    (("width", "width", "whole"), ("conv.conv",)),
    (("whole", "width"), ("rel_embeddings", "classifier", "classifier.out_proj", "qa_outputs")),
    (("width", "width"), ("pooler", "pooler.dense", "classifier.dense", "pre_classifier")),
    (("width", "width"), ("head.dense",)),
    (
        ("width", "embedding"),
        ("embeddings_project", "embedding_hidden_mapping_in", "embeddings.embed_proj"),
    ),
    (("embedding",), ("embeddings.LayerNorm", "embeddings.norm")),
    (("width",), ("LayerNorm", "full_layer_layer_norm", "sa_layer_norm", "output_layer_norm")),
    (("width",), ("attn_norm", "mlp_norm", "final_norm", "head.norm")),
    (("whole", "embedding"), ("word_embeddings", "tok_embeddings")),
    (("whole", "embedding"), ("position_embeddings", "token_type_embeddings")),
)
"""The axes of a layer's weight, a bias having the first of them, by how the layer's name ends. The
first that fits holds: an attention's `output.dense` comes before the other one."""
_OWN: Mapping[str, tuple[tuple[tuple[_Axis, ...], tuple[str, ...]], ...]] = {
    # unlike the others', after its projection
    "deberta-v2": ((("width",), ("embeddings.LayerNorm",)),),
    "eurobert": (
        (("queries", "width"), ("self_attn.q_proj",)),
        (("keys", "width"), ("self_attn.k_proj",)),
        (("values", "width"), ("self_attn.v_proj",)),
        (("width", "heads"), ("self_attn.o_proj",)),
        (("ffn", "width"), ("mlp.gate_proj", "mlp.up_proj")),
        (("width", "ffn"), ("mlp.down_proj",)),
        (("width",), ("input_layernorm", "post_attention_layernorm", "norm")),
        (("whole", "embedding"), ("embed_tokens",)),
        (("width", "width"), ("dense",)),
    ),
}
"""Those of a model type that come before those of all."""


def slice_weights(weights: Mapping[str, Tensor], old: Config, new: Config) -> dict[str, Tensor]:
    """Return the weights of the network of `new`, taken out of those of the wider one of `old`.

    Of width, feed-forward layer and embeddings, the first ones; of attention, the first heads, and
    of each head its first columns. In ModernBERT and EuroBERT the columns of queries and keys are
    turned in pairs, each at a pace of its own: kept are whole pairs, those whose pace the narrower
    head has. Where several heads of queries share one of keys, those kept share what they did.

    Args:
        weights: by their names in transformers, with any prefix.
        old: the config of the network that has them.
        new: `shapes.narrowed_config` from it, with as many layers.

    Raises:
        BadModel: a weight is of no layer that is known here.
    """
    indices = _kept_indices(sizes_of(old), sizes_of(new))
    kind = old["model_type"]
    return {name: _slice(tensor, _axes_of(name, kind), indices) for name, tensor in weights.items()}


def _axes_of(weight: str, kind: str) -> tuple[_Axis, ...]:
    layer = f".{weight.rpartition('.')[0]}"
    for axes, names in (*_OWN.get(kind, ()), *_AXES):
        if any(layer.endswith(f".{name}") for name in names):
            return axes
    raise BadModel(f"nothing is known about the axes of the weight {weight!r}: it cannot be sliced")


def _slice(tensor: Tensor, axes: tuple[_Axis, ...], indices: _Kept) -> Tensor:
    for dimension, axis in enumerate(axes[: tensor.ndim]):
        if axis != "whole":
            tensor = tensor.index_select(dimension, indices[axis])
    return tensor


def _kept_indices(old: Sizes, new: Sizes) -> _Kept:
    first = torch.arange
    columns, pairs = first(new.head), _pairs(old.head, new.head)
    plain = _head_columns(columns, new.heads, old.head)
    turned = _head_columns(pairs, new.heads, old.head)
    return {
        "width": first(new.width),
        "embedding": first(new.embedding),
        "ffn": first(new.ffn),
        "gated": torch.cat((first(new.ffn), old.ffn + first(new.ffn))),
        "heads": plain,
        "qkv": torch.cat((turned, old.width + turned, 2 * old.width + plain)),
        "queries": turned,
        "keys": _head_columns(pairs, new.key_heads, old.head),
        "values": _head_columns(columns, new.key_heads, old.head),
    }


def _head_columns(columns: Tensor, heads: int, wide: int) -> Tensor:
    """These columns of each of the first heads, among those of all heads, which are `wide`."""
    return (torch.arange(heads)[:, None] * wide + columns).flatten()


def _pairs(old: int, new: int) -> Tensor:
    """The columns of a head that a narrower one keeps where column i turns with column i + half.

    Pair i turns by base^(-2i/columns) a position (Su et al., 2021, §3.2.2): the pair of the
    narrower head that is called i has the pace of the wider one's pair i·old/new.
    """
    firsts = torch.arange(new // 2) * old // new
    return torch.cat((firsts, firsts + old // 2))
