"""What passes through the layers of a network while it answers: what terms on layers compare.

Shapes: B windows, N pieces, D width of the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Projected:
    """Queries, keys and values of one layer, as its attention multiplies them, heads side by side.

    Where positions turn them (RoPE), they are turned already.
    """

    queries_BND: Tensor
    keys_BND: Tensor
    values_BND: Tensor


@dataclass(frozen=True, slots=True)
class Activations:
    """What the layers of a network passed on, of those that somebody wanted."""

    hidden: Mapping[int, Tensor]
    """(B, N, D) after each layer, by its number."""
    projected: Mapping[int, Projected]
    layers: int
    """That the network has."""
    heads: int
    """Of each layer's attention."""
    reach: Mapping[int, int] = field(default_factory=dict)
    """How far a token sees to either side, in the layers where it does not see them all."""
