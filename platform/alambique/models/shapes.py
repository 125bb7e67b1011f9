"""Configs of students, cut, resized or narrowed, and of networks from scratch; without torch."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from alambique.models.configs import Config, Sizes, depth, number, sizes_of
from alambique.models.families import FAMILIES, Size, family_of
from alambique.spec.errors import BadSpec
from alambique.spec.job import Student
from alambique.spec.sources import Architecture


def student_config(said: Student, start: Config) -> dict[str, Any]:
    """Return the config of the student that a job asks for.

    Args:
        said: what the job says.
        start: the config of the model that it starts from; for a random start, of the teacher.

    Raises:
        BadSpec: it cannot be made of that model.
        BadModel: the model's config does not say its sizes.
    """
    sizes = {
        "width": said.width,
        "heads": said.heads,
        "ffn": said.ffn,
        "embedding": said.embedding,
    }
    if said.start == "random":
        return resized_config(start, layers=said.layers, **sizes)
    layers = kept_layers(said.keep, said.layers, depth(start))
    return narrowed_config(with_layers(start, layers), **sizes)


def with_layers(config: Config, kept: Sequence[int]) -> dict[str, Any]:
    """Return the config of the network cut to these layers, each with its own kind of attention.

    The layers of an ALBERT are one: a cut of it applies that one as many times as layers are kept.

    Raises:
        BadSpec: there is no such layer, or the layers are not ascending; or an ALBERT has several
            that take turns.
    """
    _check_one_group(config)
    of = depth(config)
    if not kept or list(kept) != sorted(set(kept)) or not 0 <= kept[0] <= kept[-1] < of:
        raise BadSpec(
            f"layers {list(kept)} cannot be cut from a model of {of}: give some of 0 to {of - 1}, "
            "each once and ascending"
        )
    cut = {**config, family_of(config).fields["layers"]: len(kept)}
    if config["model_type"] == "modernbert":
        cut |= _attention_fields(config, kept)
    return cut


def _attention_fields(config: Config, layers: Iterable[int]) -> dict[str, Any]:
    """Return the kinds of these layers of a ModernBERT, in both forms that transformers knows.

    Where no rule "every n-th is global" gives them, the older form is None: a transformers that
    knows no list then stops, in place of building another network.
    """
    of = attention_kinds(config)
    kinds = tuple(of[layer % len(of)] for layer in layers)
    rules = (n for n in range(1, len(kinds) + 1) if _global_every(n, len(kinds)) == kinds)
    return {"layer_types": list(kinds), "global_attn_every_n_layers": next(rules, None)}


def attention_kinds(config: Config) -> tuple[str, ...]:
    """Return "full_attention" or "sliding_attention" for each layer of a ModernBERT.

    >>> attention_kinds({"num_hidden_layers": 4, "global_attn_every_n_layers": 3})
    ('full_attention', 'sliding_attention', 'sliding_attention', 'full_attention')
    """
    if kinds := config.get("layer_types"):
        return tuple(kinds)
    return _global_every(
        config.get("global_attn_every_n_layers", 3), number(config, "num_hidden_layers")
    )


def _global_every(n: int, layers: int) -> tuple[str, ...]:
    """Return the kinds of layers of which every n-th, from the first on, is global."""
    return tuple("sliding_attention" if layer % n else "full_attention" for layer in range(layers))


def resized_config(
    config: Config,
    *,
    layers: int,
    width: int | None = None,
    heads: int | None = None,
    ffn: int | None = None,
    embedding: int | None = None,
) -> dict[str, Any]:
    """Return the config of a network like this one of other sizes, as of a random student.

    Sizes that are None stay as they are.

    Raises:
        BadSpec: the heads do not share the width evenly, or the architecture has no such size.
        BadModel: the config does not say its sizes.
    """
    _check_one_group(config)
    fields = family_of(config).fields
    if embedding is not None and "embedding" not in fields:
        raise BadSpec(
            f"embedding {embedding}: the embeddings of a {config['model_type']} are as wide as its "
            "layers, only those of albert and electra can be narrower: leave embedding out"
        )
    asked: dict[Size, int | None] = {
        "layers": layers,
        "width": width,
        "heads": heads,
        "ffn": ffn,
        "embedding": embedding,
    }
    new = {**config, **{fields[size]: n for size, n in asked.items() if n is not None}}
    if config["model_type"] == "eurobert":
        new |= _key_head_fields(config, new)
    if embedding is None:
        new |= _embedding_fields(config, new)
    sizes = sizes_of(new)
    _check_heads(sizes.width, sizes.heads, config["model_type"])
    return new | _dependent_fields(config, new)


def _key_head_fields(config: Config, new: Config) -> dict[str, int]:
    """Return the heads of keys and values of a EuroBERT that has new heads, and their columns.

    As many heads of queries share one as before, or all of them where there are fewer: the heads
    that a slice keeps then read the keys that they read before.
    """
    sharing, heads = sizes_of(config).key_value_groups, number(new, "num_attention_heads")
    if heads > sharing and heads % sharing:
        raise BadSpec(
            f"heads {heads}: in this eurobert each head of keys is read by {sharing} heads of "
            f"queries: give a multiple of {sharing}, such as {heads // sharing * sharing}, or fewer"
        )
    fields = {"num_key_value_heads": max(1, heads // sharing)}
    if config.get("head_dim") is not None:
        fields["head_dim"] = number(new, "hidden_size") // heads
    return fields


def _embedding_fields(config: Config, new: Config) -> dict[str, Any]:
    """Return the field of the embeddings' width, if it follows from the width of the layers."""
    old, asked = sizes_of(config), sizes_of(new)
    if asked.width == old.width or old.embedding != old.width:
        return {}
    match config["model_type"]:
        case "electra":
            return {"embedding_size": asked.width}
        case "deberta-v2" if "embedding_size" in config:
            return {"embedding_size": asked.width}
        case _:
            return {}


def _dependent_fields(config: Config, new: Config) -> dict[str, Any]:
    """Return the fields of the config that follow from its new sizes."""
    match config["model_type"]:
        case "modernbert":
            return _attention_fields(config, range(depth(new)))
        case "deberta-v2":
            sizes = sizes_of(new)
            derived = {"pooler_hidden_size": sizes.width, "attention_head_size": sizes.head}
            return {name: size for name, size in derived.items() if name in config}
        case _:
            return {}


def narrowed_config(
    config: Config,
    *,
    width: int | None = None,
    heads: int | None = None,
    ffn: int | None = None,
    embedding: int | None = None,
) -> dict[str, Any]:
    """Return the config of a network whose tensors are slices of those of this one.

    Raises:
        BadSpec: a size is larger than this one's, or cannot be given to such a network.
        BadModel: the config does not say its sizes.
    """
    new = resized_config(
        config, layers=depth(config), width=width, heads=heads, ffn=ffn, embedding=embedding
    )
    old, asked = sizes_of(config), sizes_of(new)
    _check_smaller(old, asked)
    _check_same_layers(config, old, asked)
    return new


def _check_smaller(old: Sizes, new: Sizes) -> None:
    for size in ("width", "heads", "ffn", "embedding"):
        if getattr(new, size) > getattr(old, size):
            raise BadSpec(
                f"{size} {getattr(new, size)} cannot be sliced from a model of {size} "
                f"{getattr(old, size)}: give at most that, or let the student start from: random"
            )
    if new.head > old.head:
        raise BadSpec(
            f"width {new.width} and {new.heads} heads make heads of {new.head} columns, which "
            f"cannot be sliced from heads of {old.head}: give more heads, at most {old.heads}, "
            "or less width"
        )


def _check_same_layers(config: Config, old: Sizes, new: Sizes) -> None:
    """Check that slicing neither drops a linear layer nor lacks one."""
    family = config["model_type"]
    were_equal, are_equal = old.embedding == old.width, new.embedding == new.width
    if family != "albert" and were_equal != are_equal:  # an ALBERT has that layer in any case
        raise BadSpec(
            f"width {new.width} and embedding {new.embedding} cannot be sliced from the {family}'s "
            f"{old.width} and {old.embedding}: equal ones have no layer between them, so let both "
            "be equal or both differ, as in the model; or let the student start from: random"
        )
    if config.get("conv_groups", 1) != 1 and new.width != old.width:
        raise BadSpec(
            f"the convolution of this deberta-v2 has {config['conv_groups']} groups, which do not "
            "slice: leave width out, or let the student start from: random"
        )


def from_scratch(
    architecture: Architecture,
    *,
    vocabulary: int,
    pad: int,
    cls: int,
    sep: int,
    mask: int,
    positions: int,
) -> dict[str, Any]:
    """Return the config of a network that nobody has trained yet.

    In a small ModernBERT every layer attends to the whole window: the alternation with local layers
    pays from a thousand tokens on.

    Args:
        architecture: what the job asks for.
        vocabulary: ids of the tokenizer that was really trained, at most what was asked for.
        pad: the id of [PAD].
        cls: the id of [CLS].
        sep: the id of [SEP].
        mask: the id of [MASK].
        positions: tokens of the longest window.

    Raises:
        BadSpec: the heads do not share the width evenly.
    """
    kind = architecture.architecture
    _check_heads(architecture.width, architecture.heads, kind)
    fields = FAMILIES[kind].fields
    size: dict[str, Any] = {
        "model_type": kind,
        "vocab_size": vocabulary,
        fields["width"]: architecture.width,
        fields["layers"]: architecture.layers,
        fields["heads"]: architecture.heads,
        fields["ffn"]: architecture.ffn,
        "max_position_embeddings": positions,
        "pad_token_id": pad,
    }
    return size | _published_fields(architecture, size, cls=cls, sep=sep, mask=mask)


def _published_fields(
    architecture: Architecture, size: Config, *, cls: int, sep: int, mask: int
) -> dict[str, Any]:
    """Return the fields in which published models of the kind differ from its config class."""
    match architecture.architecture:
        case "bert" | "distilbert":
            return {}
        case "roberta" | "xlm-roberta":
            # the row of the padding id and those before it are of no piece
            rows = size["max_position_embeddings"] + size["pad_token_id"] + 1
            ends = {"bos_token_id": cls, "eos_token_id": sep}
            return {"max_position_embeddings": rows, "type_vocab_size": 1, **ends}
        case "albert":
            ends = {"bos_token_id": cls, "eos_token_id": sep}
            return {"embedding_size": min(128, architecture.width), "num_hidden_groups": 1, **ends}
        case "electra":
            return {"embedding_size": architecture.width}
        case "deberta-v2":  # He et al. (2021): distances only, in logarithmic steps
            return {
                "relative_attention": True,
                "max_relative_positions": -1,
                "position_buckets": 256,
                "pos_att_type": ["p2c", "c2p"],
                "position_biased_input": False,
                "norm_rel_ebd": "layer_norm",
                "share_att_key": True,
                "type_vocab_size": 0,
            }
        case "modernbert":
            return {
                "layer_types": ["full_attention"] * architecture.layers,
                "bos_token_id": cls,
                "eos_token_id": sep,
                "cls_token_id": cls,
                "sep_token_id": sep,
            }
        case "eurobert":  # Boizard et al. (2025); the smallest shares no keys
            return {
                "num_key_value_heads": architecture.heads,
                "rope_parameters": {"rope_type": "default", "rope_theta": 250_000},
                "bos_token_id": cls,
                "eos_token_id": sep,
                "mask_token_id": mask,
            }


def _check_one_group(config: Config) -> None:
    """Check that all layers of an ALBERT are one, as in every published one."""
    groups = config.get("num_hidden_groups", 1)
    if config["model_type"] == "albert" and groups != 1:
        raise BadSpec(
            f"this albert has {groups} layers that take turns (num_hidden_groups): students are "
            "made only of one whose layers are all the same one"
        )


def _check_heads(width: int, heads: int, family: str) -> None:
    # a rotary embedding turns pairs of columns of each head
    step = heads * 2 if FAMILIES[family].rotary else heads
    if width % step:
        raise BadSpec(
            f"width {width} is not a multiple of {step} ({heads} heads): "
            f"give a width such as {max(step, width // step * step)}"
        )


def kept_layers(
    keep: Literal["uniform", "first", "last"] | tuple[int, ...], layers: int, of: int
) -> tuple[int, ...]:
    """Return the layers to keep, ascending, counted from 0.

    uniform: evenly spaced and always the first, which reads the embeddings and in ModernBERT is
    built unlike the others. first: as Speedy Gonzales truncates (Cañete and Bravo-Marquez, 2023).

    >>> kept_layers("uniform", 3, 6), kept_layers("first", 2, 6), kept_layers("last", 2, 6)
    ((0, 2, 4), (0, 1), (4, 5))

    Args:
        keep: how to choose them, or the layers themselves, which are checked.
        layers: how many the student has.
        of: how many the deeper network has.

    Raises:
        BadSpec: the network has fewer layers, or a list of them is not ascending or not as long.
    """
    if layers > of:
        raise BadSpec(
            f"a student of {layers} layers cannot be cut from a model of {of}: give at most {of}, "
            "or let it start from: random"
        )
    match keep:
        case "uniform":
            return tuple(i * of // layers for i in range(layers))
        case "first":
            return tuple(range(layers))
        case "last":
            return tuple(range(of - layers, of))
        case _:
            _check_listed(keep, layers, of)
            return keep


def _check_listed(keep: tuple[int, ...], layers: int, of: int) -> None:
    if len(keep) != layers:
        raise BadSpec(f"keep lists {len(keep)} layers, the student has {layers}: give one for each")
    if list(keep) != sorted(set(keep)):
        raise BadSpec(f"keep lists the layers {list(keep)}: give each once, in ascending order")
    if outside := [layer for layer in keep if not 0 <= layer < of]:
        raise BadSpec(
            f"keep lists layers {outside}, the model has layers 0 to {of - 1}: give some of those"
        )
