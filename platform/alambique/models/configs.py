"""What a network is built from: the fields of its config.json, read and changed without torch."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alambique.spec.errors import BadModel, BadSpec
from alambique.spec.sources import Architecture

Config = Mapping[str, Any]
"""The fields of a config.json, by the names that transformers gives them."""

FAMILIES = ("bert", "modernbert")
"""The model types that may be loaded."""


def read_config(folder: Path) -> dict[str, Any]:
    """The fields of a model folder's config.json.

    Raises:
        BadModel: there is none, it is no JSON object, or its model type may not be loaded.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadModel(f"{folder} has no config.json: it is not a model folder") from error
    except ValueError as error:
        raise BadModel(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise BadModel(f"{path} holds a {type(config).__name__}, not an object of fields")
    if (family := config.get("model_type")) not in FAMILIES:
        raise BadModel(
            f"{path} says model_type {family!r}, which is not supported: give one of "
            + ", ".join(FAMILIES)
        )
    return config


def labels_of(config: Config) -> tuple[str, ...] | None:
    """The names of the classes in order; None where nobody has named them (LABEL_0, …).

    Raises:
        BadModel: `id2label` does not name the classes 0, 1, ….
    """
    names: Any = config.get("id2label") or {}
    if not isinstance(names, dict):
        raise BadModel(f"id2label of the model is a {type(names).__name__}: expected an object")
    by_id = {int(number): name for number, name in names.items() if str(number).isdigit()}
    if len(by_id) < len(names) or sorted(by_id) != list(range(len(by_id))):
        raise BadModel(
            f"id2label of the model has the ids {sorted(names)}: expected 0 to {len(names) - 1}"
        )
    labels = tuple(by_id[number] for number in range(len(by_id)))
    return None if labels == tuple(f"LABEL_{i}" for i in range(len(labels))) else labels


def with_labels(config: Config, labels: Sequence[str]) -> dict[str, Any]:
    """The config of the same network with these classes."""
    return {
        **{name: value for name, value in config.items() if name != "num_labels"},
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
    }


def with_dropout(config: Config, dropout: float) -> dict[str, Any]:
    """The config with every probability of dropping something set to `dropout`."""
    return {name: dropout if "dropout" in name else value for name, value in config.items()}


def vocabulary_of(config: Config) -> int:
    """How many pieces the network knows.

    Raises:
        BadModel: the config does not say.
    """
    return _number(config, "vocab_size")


def depth(config: Config) -> int:
    """How many layers the network has.

    Raises:
        BadModel: the config does not say.
    """
    return _number(config, "num_hidden_layers")


def longest_text(config: Config) -> int | None:
    """The pieces that it has positions for; None: no limit, its rotary positions have no table.

    Raises:
        BadModel: the config does not say.
    """
    if config["model_type"] == "modernbert":
        return None
    return _number(config, "max_position_embeddings", 512)


def _number(config: Config, field: str, default: int | None = None) -> int:
    found = config.get(field, default)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise BadModel(f"config.json says {field} {found!r}: expected a number above 0")
    return found


def with_layers(config: Config, kept: Sequence[int]) -> dict[str, Any]:
    """The config of the network cut to these layers, each with its own kind of attention.

    Raises:
        BadSpec: there is no such layer, or the layers are not ascending.
    """
    of = depth(config)
    if not kept or list(kept) != sorted(set(kept)) or not 0 <= kept[0] <= kept[-1] < of:
        raise BadSpec(
            f"layers {list(kept)} cannot be cut from a model of {of}: give some of 0 to {of - 1}, "
            "each once and ascending"
        )
    cut = {**config, "num_hidden_layers": len(kept)}
    if config["model_type"] == "modernbert":
        cut |= _own_kinds(config, kept)
    return cut


def _own_kinds(config: Config, layers: Iterable[int]) -> dict[str, Any]:
    """The kinds of these layers of a ModernBERT, in both forms that transformers knows.

    Where no rule "every n-th is global" gives them, the older form is None: a transformers that
    knows no list then stops, in place of building another network.
    """
    of = attention_kinds(config)
    kinds = tuple(of[layer % len(of)] for layer in layers)
    rules = (n for n in range(1, len(kinds) + 1) if _every(n, len(kinds)) == kinds)
    return {"layer_types": list(kinds), "global_attn_every_n_layers": next(rules, None)}


def attention_kinds(config: Config) -> tuple[str, ...]:
    """For each layer of a ModernBERT, "full_attention" or "sliding_attention".

    >>> attention_kinds({"num_hidden_layers": 4, "global_attn_every_n_layers": 3})
    ('full_attention', 'sliding_attention', 'sliding_attention', 'full_attention')
    """
    if kinds := config.get("layer_types"):
        return tuple(kinds)
    return _every(config.get("global_attn_every_n_layers", 3), depth(config))


def _every(n: int, layers: int) -> tuple[str, ...]:
    """Global attention in every n-th layer, from the first on."""
    return tuple("sliding_attention" if layer % n else "full_attention" for layer in range(layers))


def resized(
    config: Config,
    *,
    layers: int,
    width: int | None = None,
    heads: int | None = None,
    ffn: int | None = None,
) -> dict[str, Any]:
    """The config of a network like this one of another size: what a random student is built from.

    Raises:
        BadSpec: the heads do not share the width evenly.
    """
    asked = {"hidden_size": width, "num_attention_heads": heads, "intermediate_size": ffn}
    new = {**config, "num_hidden_layers": layers}
    new |= {name: size for name, size in asked.items() if size is not None}
    if config["model_type"] == "modernbert":
        new |= _own_kinds(config, range(layers))
    _check_heads(new["hidden_size"], new["num_attention_heads"], config["model_type"])
    return new


def from_scratch(
    architecture: Architecture, *, vocabulary: int, pad: int, cls: int, sep: int, positions: int
) -> dict[str, Any]:
    """The config of a network that nobody has trained yet.

    In a small ModernBERT every layer attends to the whole window: the alternation with local layers
    pays from a thousand tokens on.

    Args:
        architecture: what the job asks for.
        vocabulary: ids of the tokenizer that was really trained, at most what was asked for.
        pad: the id of [PAD].
        cls: the id of [CLS].
        sep: the id of [SEP].
        positions: tokens of the longest window.

    Raises:
        BadSpec: the heads do not share the width evenly.
    """
    _check_heads(architecture.width, architecture.heads, architecture.architecture)
    size: dict[str, Any] = {
        "model_type": architecture.architecture,
        "vocab_size": vocabulary,
        "hidden_size": architecture.width,
        "num_hidden_layers": architecture.layers,
        "num_attention_heads": architecture.heads,
        "intermediate_size": architecture.ffn,
        "max_position_embeddings": positions,
        "pad_token_id": pad,
    }
    match architecture.architecture:
        case "bert":
            return size
        case "modernbert":
            return size | {
                "layer_types": ["full_attention"] * architecture.layers,
                "bos_token_id": cls,
                "eos_token_id": sep,
                "cls_token_id": cls,
                "sep_token_id": sep,
            }


def _check_heads(width: int, heads: int, family: str) -> None:
    # a rotary embedding turns pairs of columns of each head
    step = heads * 2 if family == "modernbert" else heads
    if width % step:
        raise BadSpec(
            f"width {width} is not a multiple of {step} ({heads} heads): "
            f"give a width such as {max(step, width // step * step)}"
        )
