"""Heads: which of a file's weights answer these labels, and which may be missing.

The head of classes for a whole text has two layers. The first knows nothing of the classes: it is
kept where a file has it, whatever the classes are.
"""

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from alambique.models.configs import Config, labels_of
from alambique.models.families import family_of
from alambique.spec.outputs import Output


def with_head_for(
    labels: Sequence[str], state: Mapping[str, Tensor], config: Config, output: Output, kind: str
) -> dict[str, Tensor]:
    """The weights with a last layer for these labels, its classes in their order; or without one.

    All of them where the output has no head.

    Args:
        labels: the classes, in the order of the data.
        state: the weights of a file.
        config: that of the file.
        output: what the network is to answer.
        kind: the name of the class of transformers that answers so.
    """
    last = family_of(config).last.get(output)
    if last is None:
        return dict(state)
    head = {f"{last}.weight", f"{last}.bias"} & state.keys()
    order = _order(labels, config, output, kind)
    if order is None or any(len(state[name]) != len(labels) for name in head):
        return {name: tensor for name, tensor in state.items() if name not in head}
    return {name: tensor[order] if name in head else tensor for name, tensor in state.items()}


def of_body(missing: Iterable[str], config: Config) -> list[str]:
    """Of the weights that a file lacks, those that no new head can make up for."""
    family = family_of(config)
    return sorted(
        name
        for name in missing
        if name.startswith(family.body) and not (family.pooler and name.startswith(family.pooler))
    )


def _order(labels: Sequence[str], config: Config, output: Output, kind: str) -> list[int] | None:
    """Where the file's head has each of the labels; None where it answers something else."""
    named = labels_of(config)
    if named is None and output is Output.SPAN and family_of(config).spans_as_tags:
        return None  # the head of any tagger of two classes looks the same
    stored = named or tuple(labels)
    if kind not in (config.get("architectures") or [kind]):
        return None
    return [stored.index(label) for label in labels] if set(stored) == set(labels) else None
