"""Parameters and multiply-accumulates of a network from its config alone, without torch.

Letters: n tokens, L layers, d width, f ffn, e embedding width, V vocabulary, P positions,
K token types, C classes, k width of all keys, r rows of a table of distances between tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alambique.models.configs import Config, Sizes, number, sizes_of
from alambique.models.families import family_of
from alambique.models.shapes import attention_kinds
from alambique.spec.outputs import Output

REFERENCE = "BETO"
"""The network that speed-ups are relative to, as in Speedy Gonzales: a model's speed-up is BETO's
MACs over the model's (Cañete and Bravo-Marquez, 2023, table 3)."""
REFERENCE_CONFIG: Config = {
    "model_type": "bert",
    "vocab_size": 31_002,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
"""The sizes of dccuchile/bert-base-spanish-wwm-cased."""
_LAYER_NORM = 4
"""Operations of a layer norm for each element, as thop counts them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a network holds and does. Exact integers."""

    parameters: int
    macs_linear: int
    """For one text: linear layers (and a convolution), and 4 for each element of a layer norm, as
    the tool thop counts and Speedy Gonzales reports (Cañete and Bravo-Marquez, 2023)."""
    macs_full: int
    """And the products of queries with keys and of attention with values."""

    def __add__(self, other: "Counts") -> "Counts":
        """Return the counts of both parts together."""
        return Counts(
            self.parameters + other.parameters,
            self.macs_linear + other.macs_linear,
            self.macs_full + other.macs_full,
        )


def count(config: Config, *, task: Output, labels: int, length: int) -> Counts:
    """Return what the network of this config holds, and does for one text of `length` tokens.

    `macs_full` adds 2·L·n²·d. Where a layer attends to a window of w tokens only, it adds
    2·n·min(w, n)·d for it: what a kernel that knows the window computes. Where queries or keys meet
    distances, it adds n·r·d for each of the two.

    Args:
        config: fields of a config.json, with `model_type`.
        task: what it answers, which decides the head.
        labels: C; not looked at where the output itself says how many columns there are.
        length: n, special tokens counted.

    Raises:
        BadModel: the model type is not known, or the config does not say its sizes.
    """
    classes = labels if task.columns is None else task.columns
    family_of(config)
    match config["model_type"]:
        case "modernbert":
            return _modernbert(config, task, classes, length)
        case "eurobert":
            return _eurobert(config, length) + _eurobert_head(config, task, classes, length)
        case "deberta-v2":
            return _deberta(config, length) + _head(config, task, classes, length)
        case _:
            return _bert(config, length) + _head(config, task, classes, length)


def _linear(outputs: int, inputs: int, *, times: int, bias: bool = True) -> Counts:
    """Return the counts of a linear layer that is applied to `times` vectors."""
    macs = outputs * inputs * times
    return Counts(outputs * inputs + (outputs if bias else 0), macs, macs)


def _norm(columns: int, *, times: int, bias: bool = True) -> Counts:
    macs = _LAYER_NORM * columns * times
    return Counts((2 if bias else 1) * columns, macs, macs)


def _scores(products: int) -> Counts:
    return Counts(0, 0, products)


def _table(rows: int, columns: int) -> Counts:
    return Counts(rows * columns, 0, 0)


def _times(counts: Counts, *, held: int, done: int) -> Counts:
    """Return the counts of layers like this one, of which some are held and some are applied."""
    return Counts(counts.parameters * held, counts.macs_linear * done, counts.macs_full * done)


def _bert(config: Config, n: int) -> Counts:
    """Return the counts of a BERT or a network built like it, without a head."""
    size = sizes_of(config)
    albert = config["model_type"] == "albert"
    types = 0 if config["model_type"] == "distilbert" else config.get("type_vocab_size", 2)
    rows = number(config, "vocab_size") + number(config, "max_position_embeddings", 512) + types
    body = _table(rows, size.embedding) + _norm(size.embedding, times=n)
    if albert or size.embedding != size.width:
        body += _linear(size.width, size.embedding, times=n)
    layer = _layer(size, n)
    if not albert:
        return body + _times(layer, held=size.layers, done=size.layers)
    inner = number(config, "inner_group_num", 1)
    groups = number(config, "num_hidden_groups", 1)
    return body + _times(layer, held=groups * inner, done=size.layers * inner)


def _layer(size: Sizes, n: int) -> Counts:
    d, f = size.width, size.ffn
    return (
        _times(_linear(d, d, times=n), held=4, done=4)
        + _scores(2 * n * n * d)
        + _linear(f, d, times=n)
        + _linear(d, f, times=n)
        + _times(_norm(d, times=n), held=2, done=2)
    )


def _head(config: Config, task: Output, classes: int, n: int) -> Counts:
    """Return the counts of a head like BERT's; if there is none, of the pooler in its place."""
    d = sizes_of(config).width
    if not task.has_head:
        return _linear(d, d, times=1) if family_of(config).pooler else Counts(0, 0, 0)
    if task.is_per_text:
        return _linear(d, d, times=1) + _linear(classes, d, times=1)
    return _linear(classes, d, times=n)


def _deberta(config: Config, n: int) -> Counts:
    """Return the counts of a DeBERTa-v2 or v3 without a head.

    Its attention is to distances too (He et al., 2021, §3.1).

    The table of distances goes through linear layers anew in each layer, once for a batch.
    """
    size = sizes_of(config)
    relative = config.get("relative_attention", False)
    r = 2 * _farthest(config) if relative else 0
    body = _deberta_embeddings(config, size, n) + _table(r, size.width)
    if "layer_norm" in _split(config.get("norm_rel_ebd", "none")):
        body += _norm(size.width, times=r)
    layer = _layer(size, n)
    if relative:
        layer += _distances(config, size.width, r, n)
    body += _times(layer, held=size.layers, done=size.layers)
    return body + _convolution(config, size.width, n)


def _deberta_embeddings(config: Config, size: Sizes, n: int) -> Counts:
    rows = number(config, "vocab_size") + config.get("type_vocab_size", 0)
    if config.get("position_biased_input", True):
        rows += number(config, "max_position_embeddings", 512)
    found = _table(rows, size.embedding) + _norm(size.width, times=n)
    if size.embedding != size.width:
        found += _linear(size.width, size.embedding, times=n, bias=False)
    return found


def _farthest(config: Config) -> int:
    """Return how many distances, or buckets of them, are known on each side of a token."""
    for field in ("position_buckets", "max_relative_positions"):
        if (found := config.get(field, -1)) > 0:
            return int(found)
    return number(config, "max_position_embeddings", 512)


def _distances(config: Config, d: int, r: int, n: int) -> Counts:
    """Return the counts of what a layer does with the table of distances.

    With `share_att_key` the layer's own projections make both queries and keys of it, also where
    the scores use only one.
    """
    kinds = {"c2p", "p2c"} & set(_split(config.get("pos_att_type") or ()))
    scores = _scores(len(kinds) * n * r * d)
    projection = _linear(d, d, times=r)
    if config.get("share_att_key", False):
        return scores + _times(projection, held=0, done=2)
    return scores + _times(projection, held=len(kinds), done=len(kinds))


def _split(said: str | Sequence[str]) -> list[str]:
    """Return what a field of a DeBERTa names, as "c2p|p2c" or as a list."""
    words = said.lower().split("|") if isinstance(said, str) else said
    return [word.strip() for word in words]


def _convolution(config: Config, d: int, n: int) -> Counts:
    """Return the counts of the convolution beside the first layer of a larger DeBERTa-v2."""
    kernel = config.get("conv_kernel_size", 0)
    if kernel < 1:
        return Counts(0, 0, 0)
    inputs = d // config.get("conv_groups", 1) * kernel
    return _linear(d, inputs, times=n) + _norm(d, times=n)


def _modernbert(config: Config, task: Output, classes: int, n: int) -> Counts:
    """Return the counts of a ModernBERT with its head, if it has one.

    The head has a first layer whatever it answers.
    """
    d = sizes_of(config).width
    layers = [_modernbert_layer(config, kind, n) for kind in attention_kinds(config)]
    # of the norms, two are in each layer but the first, one before and one after all layers
    norms = 2 * len(layers) + 1
    body = sum(layers, _table(number(config, "vocab_size"), d))
    body += _times(_modernbert_norm(config, n), held=norms, done=norms)
    if not task.has_head:
        return body
    times = 1 if task.is_per_text else n
    first = _linear(d, d, times=times, bias=config.get("classifier_bias", False))
    return body + first + _modernbert_norm(config, times) + _linear(classes, d, times=times)


def _modernbert_norm(config: Config, times: int) -> Counts:
    columns, bias = sizes_of(config).width, config.get("norm_bias", False)
    return _norm(columns, times=times, bias=bias)


def _modernbert_layer(config: Config, kind: str, n: int) -> Counts:
    """Return the counts of a layer of a ModernBERT without its norms.

    The feed-forward part is gated.
    """
    size = sizes_of(config)
    d, f = size.width, size.ffn
    attention, mlp = config.get("attention_bias", False), config.get("mlp_bias", False)
    window = min(int(config.get("local_attention", 128)), n)
    seen = n if kind == "full_attention" else window
    return (
        _linear(3 * d, d, times=n, bias=attention)
        + _linear(d, d, times=n, bias=attention)
        + _scores(2 * n * seen * d)
        + _linear(2 * f, d, times=n, bias=mlp)
        + _linear(d, f, times=n, bias=mlp)
    )


def _eurobert(config: Config, n: int) -> Counts:
    """Return the counts of a EuroBERT without a head.

    Its norms (RMS) are no layer norms, and thop counts nothing for them.
    """
    size = sizes_of(config)
    d, f, k = size.width, size.ffn, size.key_heads * size.head
    attention, mlp = config.get("attention_bias", False), config.get("mlp_bias", False)
    norm = _table(1, d)
    layer = (
        _times(_linear(d, d, times=n, bias=attention), held=2, done=2)
        + _times(_linear(k, d, times=n, bias=attention), held=2, done=2)
        + _scores(2 * n * n * d)
        + _times(_linear(f, d, times=n, bias=mlp), held=2, done=2)
        + _linear(d, f, times=n, bias=mlp)
        + _times(norm, held=2, done=2)
    )
    layers = _times(layer, held=size.layers, done=size.layers)
    return _table(number(config, "vocab_size"), d) + layers + norm


def _eurobert_head(config: Config, task: Output, classes: int, n: int) -> Counts:
    """Return the counts of the head of a EuroBERT.

    For whole texts it has two layers, which "late" applies to every piece before their mean.
    """
    d = sizes_of(config).width
    if not task.has_head:
        return Counts(0, 0, 0)
    if not task.is_per_text:
        return _linear(classes, d, times=n)
    times = n if config.get("classifier_pooling", "late") == "late" else 1
    return _linear(d, d, times=times) + _linear(classes, d, times=times)
