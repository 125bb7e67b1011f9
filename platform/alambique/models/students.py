"""Students cut from a deeper network: its embeddings, some of its layers, its head; or narrower.

Shapes: W outputs of a linear layer, D width of a network.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from alambique.models.configs import Config, sizes_of
from alambique.models.families import family_of
from alambique.models.networks import PREFIX, Network, load, new
from alambique.models.shapes import with_layers
from alambique.models.slicing import slice_weights
from alambique.spec.outputs import Output


def cut(
    start: Path, kept: Sequence[int], output: Output, labels: Sequence[str], *, seed: int
) -> Network:
    """A student with the embeddings, the layers `kept` and the head of the model in `start`.

    Each layer keeps its kind of attention. A head that is missing or of other labels is new, and
    `head_present` says so; hidden states are answered without one.

    Args:
        start: a model folder, of a teacher or of any other checkpoint.
        kept: layers of it, ascending (`distill.layers.kept`).
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
    """A student with the leading slices of the weights of a network; see `slicing.slice_weights`.

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
    """The weights of the layers kept, counted anew, and all that belongs to no layer.

    Such as the embeddings of distances of a DeBERTa, which all its layers read.
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
    """The weights with the attention norm of the first layer folded into what follows it.

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
