"""What the platform asks of a term that compares layers, and what terms with a layer map share.

This module and the terms' own import torch only where a loss is computed: a plan, which is made
where there is no torch, asks a term which layers it needs and whether two networks fit.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from alambique.distill.mapping import compared_layers
from alambique.spec.field_errors import prefix_paths
from alambique.spec.objective import LayerMapping

if TYPE_CHECKING:
    from alambique.distill.activations import LayerOutputs, WindowLosses

EMBEDDINGS = -1
"""The number of the "layer" whose hidden state the first layer reads; layers count from 0."""

Unit = Literal["windows", "tokens", "pairs"]
"""What a term is a mean over: windows, their real tokens, or the pairs of real tokens of each."""

Projection = Literal["shared", "per-layer", "none"]
"""The linear layers that make the student's hidden states as wide as the teacher's."""


@dataclass(frozen=True, slots=True)
class LayerSelection:
    """The layers of one network whose activations are compared."""

    hidden: frozenset[int] = frozenset()
    """Those whose hidden states are, `EMBEDDINGS` among them."""
    qkv: frozenset[int] = frozenset()
    """Those whose queries, keys and values are."""

    def __or__(self, other: "LayerSelection") -> "LayerSelection":
        """Return the layers that are in one of the two, or in both."""
        return LayerSelection(self.hidden | other.hidden, self.qkv | other.qkv)


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """The facts about a network that decide whether its layers can be compared with another's."""

    model_type: str
    layers: int
    width: int
    heads: int
    dot_product_scores: bool
    """Whether its attention scores are products of queries and keys, and nothing else."""


class LayerComparison(Protocol):
    """How one term of an objective compares layers: everything that is the term's own."""

    @property
    def layer_map(self) -> LayerMapping | None:
        """The map by which the term pairs layers; None if it chooses its layers otherwise."""

    @property
    def projection(self) -> Projection:
        """What makes the student's hidden states as wide as the teacher's for this term."""

    @property
    def unit(self) -> Unit:
        """What the term is a mean over."""

    def select_layers(
        self, student_layers: int, teacher_layers: int
    ) -> tuple[LayerSelection, LayerSelection]:
        """Return the layers that are compared, of the student and of the teacher.

        Args:
            student_layers: how many the student has.
            teacher_layers: how many the teacher has.

        Raises:
            BadSpec: the term names layers that are not there, or its map is not chosen yet.
        """

    def check_networks(self, student: NetworkShape, teacher: NetworkShape) -> None:
        """Check that the term can compare two networks.

        Raises:
            BadSpec: it cannot; its cause names the field of the term.
        """

    def window_losses(self, outputs: "LayerOutputs") -> "list[WindowLosses]":
        """Return the loss of each pair of layers that is compared, in each window.

        The term is the sum of values times counts over windows, each by its weight, and over pairs
        of layers, divided by the number of its units in the whole batch.
        """


def mapped_layers(
    mapping: LayerMapping, student_layers: int, teacher_layers: int
) -> tuple[frozenset[int], frozenset[int]]:
    """Return the layers that a map compares, of the student and of the teacher.

    Raises:
        BadSpec: the map names layers that are not there, or is not chosen yet.
    """
    compared = compared_layers(mapping, student_layers, teacher_layers)
    return frozenset(i for i, _ in compared), frozenset(j for _, mixed in compared for j in mixed)


def check_mapping(mapping: LayerMapping, student: NetworkShape, teacher: NetworkShape) -> None:
    """Check that two networks have the layers of a map; one that is chosen later has them.

    Raises:
        BadSpec: they have not; its cause names the field `mapping`.
    """
    if mapping != "similar":
        with prefix_paths("mapping"):
            mapped_layers(mapping, student.layers, teacher.layers)
