"""The architectures that are known: how each names its sizes and its weights; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alambique.spec.errors import BadModel
from alambique.spec.excerpts import short
from alambique.spec.outputs import Output

Size = Literal["layers", "width", "heads", "ffn", "embedding"]
"""What can be large or small about a network; `embedding`: the columns of its embeddings, in the
architectures where they need not be as many as `width`."""

_USUAL: Mapping[Size, str] = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "ffn": "intermediate_size",
}
_PROJECTED: Mapping[Size, str] = {**_USUAL, "embedding": "embedding_size"}
_DISTILBERT: Mapping[Size, str] = {
    "layers": "n_layers",
    "width": "dim",
    "heads": "n_heads",
    "ffn": "hidden_dim",
}

_SIMPLE: Mapping[Output, str] = {
    Output.SPAN: "qa_outputs",
    Output.TAGS: "classifier",
    Output.CLASSES: "classifier",
    Output.SCORE: "classifier",
}
_NESTED: Mapping[Output, str] = {
    **_SIMPLE,
    Output.CLASSES: "classifier.out_proj",
    Output.SCORE: "classifier.out_proj",
}
_SELF = ("attention.self.query", "attention.self.key", "attention.self.value")
_ONE_NAME: Mapping[Output, str] = {**_SIMPLE, Output.SPAN: "classifier"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A model type, as far as this project has to know how transformers builds it."""

    body: str
    """What the names of all weights begin with but those of the head."""
    layer: str | None
    """What precedes the number of a layer in the names of its weights; None: all layers are one."""
    fields: Mapping[Size, str]
    """What config.json calls each size."""
    projections: tuple[str, ...]
    """The modules of a layer that make queries, keys and values: three, or one for all of them."""
    only_layer: str | None = None
    """The name of the only layer, if all layers are one."""
    dot_product_scores: bool = True
    """Whether its attention's scores are queries times keys, and nothing else."""
    rotary: bool = False
    """Whether positions rotate queries and keys (RoPE): then no table of them bounds texts."""
    output_layer: Mapping[Output, str]
    """By output, the last layer of the head, which alone depends on the number of classes."""
    pooler: str | None = None
    """A layer of the body that reads the first piece: a part of the head for whole texts, and of
    the network that transformers builds without a head."""
    token_types: bool = False
    """Whether it takes token types, which tell the first text of a pair from the second, if its
    config has more than one type."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    spans_as_tags: bool = False
    """Whether its head of tags answers spans, for which transformers has no head: the classes of a
    piece are start and end."""


FAMILIES: Mapping[str, Family] = {
    "bert": Family(
        body="bert.",
        layer="bert.encoder.layer.",
        fields=_USUAL,
        projections=_SELF,
        output_layer=_SIMPLE,
        pooler="bert.pooler.",
        token_types=True,
    ),
    "roberta": Family(
        body="roberta.",
        layer="roberta.encoder.layer.",
        fields=_USUAL,
        projections=_SELF,
        output_layer=_NESTED,
        pooler="roberta.pooler.",
    ),
    "albert": Family(
        body="albert.",
        layer=None,
        fields=_PROJECTED,
        projections=("attention.query", "attention.key", "attention.value"),
        only_layer="albert.encoder.albert_layer_groups.0.albert_layers.0",
        output_layer=_SIMPLE,
        pooler="albert.pooler.",
        token_types=True,
    ),
    "distilbert": Family(
        body="distilbert.",
        layer="distilbert.transformer.layer.",
        fields=_DISTILBERT,
        projections=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        output_layer=_SIMPLE,
    ),
    "electra": Family(
        body="electra.",
        layer="electra.encoder.layer.",
        fields=_PROJECTED,
        projections=_SELF,
        output_layer=_NESTED,
        token_types=True,
    ),
    "xlm-roberta": Family(
        body="roberta.",
        layer="roberta.encoder.layer.",
        fields=_USUAL,
        projections=_SELF,
        output_layer=_NESTED,
        pooler="roberta.pooler.",
    ),
    "deberta-v2": Family(
        body="deberta.",
        layer="deberta.encoder.layer.",
        fields=_USUAL,
        projections=tuple(f"{name}_proj" for name in _SELF),
        dot_product_scores=False,
        output_layer=_SIMPLE,
        token_types=True,
        # its scores have parts for distances, and transformers refuses to build it with sdpa
        attention="eager",
    ),
    "modernbert": Family(
        body="model.",
        layer="model.layers.",
        fields=_USUAL,
        projections=("attn.Wqkv",),
        rotary=True,
        output_layer=_ONE_NAME,
    ),
    "eurobert": Family(
        body="model.",
        layer="model.layers.",
        fields=_USUAL,
        projections=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        rotary=True,
        output_layer=_ONE_NAME,
        spans_as_tags=True,
    ),
}
"""By the model type that config.json says. DeBERTa-v3 is a deberta-v2 with other settings."""


def family_of(config: Mapping[str, Any]) -> Family:
    """Return the family that a config belongs to.

    Raises:
        BadModel: its model type is not one of them.
    """
    name = config.get("model_type")
    if not isinstance(name, str) or name not in FAMILIES:
        raise BadModel(
            f"model_type {short(name)} is not supported: give a model of type {', '.join(FAMILIES)}"
        )
    return FAMILIES[name]
