"""Parameters and multiply-accumulates of a network from its config alone, without torch.

Letters: n tokens, L layers, d width, f ffn, e embedding width, V vocabulary, P positions,
K token types, C classes.
"""

from dataclasses import dataclass
from typing import Any, Literal

from alambique.models.configs import Config, attention_kinds
from alambique.spec.errors import BadModel
from alambique.spec.outputs import Output

Head = Output | Literal["classes"]
"""What a network answers; "classes": a class for the whole text."""

_LAYER_NORM = 4
"""Operations of a layer norm for each element, as thop counts them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a network holds and does. Exact integers."""

    parameters: int
    macs_linear: int
    """For one text: linear layers, and 4 for each element of a layer norm, as the tool thop counts
    and Speedy Gonzales reports (Cañete and Bravo-Marquez, 2023)."""
    macs_full: int
    """And the products of queries with keys and of attention with values."""


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The fields that count, with the defaults that transformers gives them."""

    L: int
    d: int
    f: int
    V: int
    P: int
    K: int
    e: int

    @property
    def projected(self) -> bool:
        """Whether a linear layer lies between the embeddings and the first layer."""
        return self.e != self.d


def count(config: Config, *, task: Head, labels: int, length: int) -> Counts:
    """What the network of this config holds, and does for one text of `length` tokens.

    `macs_full` adds 2·L·n²·d. Where a layer attends to a window of w tokens only, it adds
    2·n·min(w, n)·d for it: what a kernel that knows the window computes.

    Args:
        config: fields of a config.json, with `model_type`.
        task: what it answers, which decides the head.
        labels: C; not looked at for spans, which have 2.
        length: n, special tokens counted.

    Raises:
        BadModel: the model type is not known.
    """
    classes = 2 if task is Output.SPAN else labels
    match config.get("model_type"):
        case "bert" | "roberta" | "xlm-roberta" | "albert" | "electra":
            return _bert(config, _sizes(config), task, classes, length)
        case "distilbert":
            return _bert(config, _distilbert_sizes(config), task, classes, length)
        case "modernbert":
            return _modernbert(config, task, classes, length)
        case unknown:
            raise BadModel(
                f"nothing is known about the size of a model of type {unknown!r}: give a bert, "
                "roberta, xlm-roberta, albert, electra, distilbert or modernbert"
            )


def _bert(config: Config, size: _Sizes, task: Head, classes: int, n: int) -> Counts:
    L, d, f = size.L, size.d, size.f
    shared = config["model_type"] == "albert"
    projected = shared or size.projected
    weights = (
        (size.V + size.P + size.K) * size.e
        + 2 * size.e
        + (size.e * d + d if projected else 0)
        + (1 if shared else L) * (4 * (d * d + d) + 2 * d * f + f + d + 4 * d)
        + (d * d + d if task == "classes" else 0)
        + d * classes
        + classes
    )
    linear = (
        n * L * (4 * d * d + 2 * d * f)
        + _LAYER_NORM * n * (2 * L * d + size.e)
        + (n * size.e * d if projected else 0)
        + (d * d + d * classes if task == "classes" else n * d * classes)
    )
    return Counts(weights, linear, linear + 2 * L * n * n * d)


def _modernbert(config: Config, task: Head, classes: int, n: int) -> Counts:
    size = _sizes(config)
    L, d, f = size.L, size.d, size.f

    def biases(field: str, of: int) -> int:
        return of if config.get(field, False) else 0

    norm = d + biases("norm_bias", d)
    attention = 4 * d * d + biases("attention_bias", 4 * d)
    mlp = 3 * d * f + biases("mlp_bias", 2 * f + d)
    # norms: of the embeddings, two in each layer but one in the first, the final one, the head's
    norms = 1 + (2 * L - 1) + 1 + 1
    weights = (
        size.V * d
        + L * (attention + mlp)
        + norms * norm
        + d * d
        + biases("classifier_bias", d)
        + d * classes
        + classes
    )
    heads = 1 if task == "classes" else n
    linear = (
        n * L * (4 * d * d + 3 * d * f)
        + _LAYER_NORM * d * (n * (norms - 1) + heads)
        + heads * (d * d + d * classes)
    )
    window = min(int(config.get("local_attention", 128)), n)
    seen = sum(n if kind == "full_attention" else window for kind in attention_kinds(config))
    return Counts(weights, linear, linear + 2 * n * seen * d)


def _sizes(config: Config) -> _Sizes:
    """Of all but DistilBERT, by the names they share."""
    d = _number(config, "hidden_size")
    family = config["model_type"]
    positions, types = (514, 1) if "roberta" in family else (512, 2)
    return _Sizes(
        L=_number(config, "num_hidden_layers"),
        d=d,
        f=_number(config, "intermediate_size"),
        V=_number(config, "vocab_size"),
        P=config.get("max_position_embeddings", positions),
        K=config.get("type_vocab_size", types),
        e=config.get("embedding_size", 128) if family in ("albert", "electra") else d,
    )


def _distilbert_sizes(config: Config) -> _Sizes:
    d = _number(config, "dim")
    return _Sizes(
        L=_number(config, "n_layers"),
        d=d,
        f=_number(config, "hidden_dim"),
        V=_number(config, "vocab_size"),
        P=config.get("max_position_embeddings", 512),
        K=0,
        e=d,
    )


def _number(config: Config, field: str) -> int:
    value: Any = config.get(field)
    if not isinstance(value, int):
        raise BadModel(f"the config says {field} {value!r}: expected a number")
    return value
