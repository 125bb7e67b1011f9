"""The activations of a student and of its teacher for the same windows: what terms compare.

Shapes: B windows, N pieces of the longest, D width of the network, E width of the teacher, S and L
layers of student and teacher.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from alambique.distill.mapping import compared_layers
from alambique.spec.objective import LayerMapping

WindowLosses = tuple[Tensor, Tensor]
"""(B,) both: the value of a loss in each window, and how much that value counts in a mean."""


def per_window(values_B: Tensor) -> WindowLosses:
    """Return the values with a count of 1 for each: all windows count alike."""
    return values_B, torch.ones_like(values_B)


@dataclass(frozen=True, slots=True)
class QueryKeyValue:
    """Queries, keys and values of one layer, as its attention multiplies them, heads side by side.

    Where positions rotate them (RoPE), they are rotated.
    """

    queries_BND: Tensor
    keys_BND: Tensor
    values_BND: Tensor


@dataclass(frozen=True, slots=True)
class Activations:
    """The activations of one network, in the layers that were selected."""

    hidden: Mapping[int, Tensor]
    """(B, N, D) after each layer, by the number of the layer."""
    qkv: Mapping[int, QueryKeyValue]
    """By the number of the layer."""
    layers: int
    """How many layers the network has."""
    heads: int
    """How many attention heads each of its layers has."""
    reach: Mapping[int, int] = field(default_factory=dict)
    """How many pieces to either side a piece sees, in the layers with a sliding window."""


@dataclass(frozen=True, slots=True)
class LayerOutputs:
    """The activations of both networks for the same windows, in float32."""

    real_BN: Tensor
    """bool: the pieces that are not padding."""
    weight_B: Tensor
    """The weight of each window; 0 for a window that stands in for a missing one."""
    student: Activations
    projected: Mapping[int, Tensor]
    """(B, N, E) by layer: the student's hidden states, made as wide as the teacher's."""
    teacher: Activations
    layer_weights: Mapping[str, Tensor]
    """(S, L) by the label of a term with a learned layer map: how much each layer of the teacher
    counts for each layer of the student."""
    teacher_output_BNC: Tensor
    """The teacher's logits; the last hidden states of a teacher without a head."""

    def map_layers(
        self,
        mapping: LayerMapping,
        label: str,
        student_layer: Callable[[int], Tensor],
        teacher_layer: Callable[[int], Tensor],
    ) -> list[tuple[Tensor, Tensor]]:
        """Return for each pair of layers of a map what is compared of the student and the teacher.

        Args:
            mapping: the map, which has been chosen by now.
            label: of the term, whose map may be learned.
            student_layer: gives what is compared of a layer of the student.
            teacher_layer: gives what is compared of a layer of the teacher.
        """
        compared = compared_layers(mapping, self.student.layers, self.teacher.layers)
        if mapping != "learned":
            return [(student_layer(i), teacher_layer(j)) for i, (j,) in compared]
        stacked = torch.stack([teacher_layer(j) for j in range(self.teacher.layers)])
        mixed = torch.tensordot(self.layer_weights[label].to(stacked.dtype), stacked, dims=1)
        return [(student_layer(i), mixed[i]) for i, _ in compared]
