"""Students made of a larger network's weights: some of its layers, or slices of its tensors.

Shapes: W outputs of a linear layer, D width of a network.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from alambique.models.configs import Config, Sizes, sizes_of
from alambique.models.families import family_of
from alambique.models.networks import PREFIX, Network, load, new
from alambique.models.shapes import with_layers
from alambique.spec.errors import BadModel
from alambique.spec.outputs import Output


def cut(
    start: Path, kept: Sequence[int], output: Output, labels: Sequence[str], *, seed: int
) -> Network:
    """Return a student with the embeddings, the layers `kept` and the head of the model in `start`.

    Each layer keeps its kind of attention. A head that is missing or of other labels is new, and
    `head_present` says so; hidden states are answered without a head.

    Args:
        start: a model folder, of a teacher or of any other checkpoint.
        kept: the numbers of its layers, ascending (`shapes.kept_layers`).
        output: what the student answers.
        labels: its classes.
        seed: of a new head.

    Raises:
        BadModel: the folder cannot be loaded.
        BadSpec: it has no such layers.
    """
    deep = load(start, output, labels, seed=seed)
    config = with_layers(deep.config, kept)
    student = new(config, output, labels, seed=seed)
    student.load_state_dict(_cut_weights(deep.state_dict(), kept, deep))
    student.head_present = deep.head_present
    return student


def narrow(wide: Network, config: Config) -> Network:
    """Return a student with slices of the weights of a network; see `slice_weights`.

    Args:
        wide: the network, which has the same layers.
        config: `shapes.narrowed_config` from its config.
    """
    if sizes_of(wide.config) == sizes_of(config):
        return wide
    student = new(config, wide.output, wide.labels, seed=0)
    student.load_state_dict(slice_weights(wide.state_dict(), wide.config, student.config))
    student.head_present = wide.head_present
    return student


def _cut_weights(
    weights: Mapping[str, Tensor], kept: Sequence[int], deep: Network
) -> dict[str, Tensor]:
    """Return the weights of the layers kept, counted anew, and all that belong to no layer.

    Of a DeBERTa those are also the embeddings of distances, which all its layers read.
    """
    family = family_of(deep.config)
    if family.layer is None:
        return dict(weights)
    prefix = f"{PREFIX}{deep.body}{family.layer.removeprefix(family.body)}"
    cut = {name: tensor for name, tensor in weights.items() if not name.startswith(prefix)}
    for new_number, number in enumerate(kept):
        old = f"{prefix}{number}."
        for name, tensor in weights.items():
            if name.startswith(old):
                cut[f"{prefix}{new_number}.{name.removeprefix(old)}"] = tensor
    return _without_first_norm(cut, f"{prefix}0.")


def _without_first_norm(weights: dict[str, Tensor], first: str) -> dict[str, Tensor]:
    """Return the weights with the attention norm of the first layer folded into what follows it.

    The first layer of a ModernBERT has no such norm, because what it reads, the embeddings, is
    normalised already, and transformers builds it so. Where another layer becomes the first, its
    norm's scale goes into the projection to queries, keys and values: nothing but the second
    normalising of the same thing is lost. (A norm's bias goes where the projection has one.)
    """
    scale_D = weights.pop(f"{first}attn_norm.weight", None)
    shift_D = weights.pop(f"{first}attn_norm.bias", None)
    if scale_D is None:
        return weights
    matrix, bias = f"{first}attn.Wqkv.weight", f"{first}attn.Wqkv.bias"
    matrix_WD = weights[matrix]
    if shift_D is not None and bias in weights:
        weights[bias] = weights[bias] + matrix_WD @ shift_D
    weights[matrix] = matrix_WD * scale_D
    return weights


_Axis = Literal[
    "whole", "width", "embedding", "ffn", "gated", "heads", "qkv", "queries", "keys", "values"
]
"""What an axis of a tensor counts; `whole`: what no size changes, such as classes or positions;
`gated`: the values and then the gates of a feed-forward layer; `qkv`: heads of queries, keys and
values, of which the first two are rotated; `queries`, `keys`, `values`: each of them alone, the
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
"""The axes that only a model type has, which are looked up before `_AXES`."""


def slice_weights(weights: Mapping[str, Tensor], old: Config, new: Config) -> dict[str, Tensor]:
    """Return the weights of the network of `new`, taken out of those of the wider one of `old`.

    The first columns of the width, of the feed-forward layer and of the embeddings are kept; of
    attention the first heads, and of each head its first columns. In ModernBERT and EuroBERT
    positions rotate the columns of queries and keys in pairs (RoPE), each at a frequency of its
    own: whole pairs are kept, those whose frequencies the narrower head has. Heads of queries that
    share a head of keys still share it.

    Args:
        weights: by their names in transformers, with any prefix.
        old: the config of the network that has them.
        new: `shapes.narrowed_config` of `old`, with as many layers.

    Raises:
        BadModel: a weight is of no layer whose axes are known.
    """
    indices = _kept_indices(sizes_of(old), sizes_of(new))
    kind = old["model_type"]
    return {name: _slice(tensor, _axes_of(name, kind), indices) for name, tensor in weights.items()}


def _axes_of(weight: str, kind: str) -> tuple[_Axis, ...]:
    layer = f".{weight.rpartition('.')[0]}"
    for axes, names in (*_OWN.get(kind, ()), *_AXES):
        if any(layer.endswith(f".{name}") for name in names):
            return axes
    raise BadModel(
        f"the axes of the weight {weight!r} are not known, so that it cannot be sliced: keep the "
        "sizes of the model that the student starts from, or let it start from: random"
    )


def _slice(tensor: Tensor, axes: tuple[_Axis, ...], indices: _Kept) -> Tensor:
    for dimension, axis in enumerate(axes[: tensor.ndim]):
        if axis != "whole":
            tensor = tensor.index_select(dimension, indices[axis])
    return tensor


def _kept_indices(old: Sizes, new: Sizes) -> _Kept:
    first = torch.arange
    columns, pairs = first(new.head), _pairs(old.head, new.head)
    plain = _head_columns(columns, new.heads, old.head)
    rotated = _head_columns(pairs, new.heads, old.head)
    return {
        "width": first(new.width),
        "embedding": first(new.embedding),
        "ffn": first(new.ffn),
        "gated": torch.cat((first(new.ffn), old.ffn + first(new.ffn))),
        "heads": plain,
        "qkv": torch.cat((rotated, old.width + rotated, 2 * old.width + plain)),
        "queries": rotated,
        "keys": _head_columns(pairs, new.key_heads, old.head),
        "values": _head_columns(columns, new.key_heads, old.head),
    }


def _head_columns(columns: Tensor, heads: int, wide: int) -> Tensor:
    """Return where these columns of the first heads are, among the columns of heads `wide` each."""
    return (torch.arange(heads)[:, None] * wide + columns).flatten()


def _pairs(old: int, new: int) -> Tensor:
    """Return the columns of a head that a narrower one keeps if columns i and i + half are a pair.

    RoPE rotates pair i by base^(-2i/columns) a position (Su et al., 2021, §3.2.2): pair i of the
    narrower head has the frequency of pair i·old/new of the wider one.
    """
    firsts = torch.arange(new // 2) * old // new
    return torch.cat((firsts, firsts + old // 2))
