"""The term that compares relations between tokens, of one layer of each network: MiniLM."""

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

from alambique.distill.terms.comparison import LayerSelection, NetworkShape, Projection, Unit
from alambique.spec.errors import BadSpec
from alambique.spec.field_errors import prefix_paths
from alambique.spec.objective import Relation, Relations

if TYPE_CHECKING:
    from torch import Tensor

    from alambique.distill.activations import LayerOutputs, QueryKeyValue, WindowLosses


@dataclass(frozen=True, slots=True)
class RelationsComparison:
    """Compares relations of the student's last layer with those of one layer of the teacher."""

    term: Relations

    @property
    def layer_map(self) -> None:
        """None: one layer of each network is compared."""
        return None

    @property
    def projection(self) -> Projection:
        """None: relation heads split any width."""
        return "none"

    @property
    def unit(self) -> Unit:
        """Windows."""
        return "windows"

    def select_layers(
        self, student_layers: int, teacher_layers: int
    ) -> tuple[LayerSelection, LayerSelection]:
        """Return the queries, keys and values of the one layer of each network.

        Raises:
            BadSpec: the teacher has no such layer.
        """
        return (
            LayerSelection(qkv=frozenset({student_layers - 1})),
            LayerSelection(qkv=frozenset({self._teacher_layer(teacher_layers)})),
        )

    def check_networks(self, student: NetworkShape, teacher: NetworkShape) -> None:
        """Check that the teacher has the layer, and that relation heads divide both widths.

        Raises:
            BadSpec: it has not, or they do not.
        """
        with prefix_paths("layer"):
            self._teacher_layer(teacher.layers)
        heads = self.term.heads or teacher.heads
        if student.width % heads or teacher.width % heads:
            common = gcd(student.width, teacher.width)
            divisors = ", ".join(str(n) for n in range(1, common + 1) if common % n == 0)
            with prefix_paths("heads"):
                raise BadSpec(
                    f"{heads} relation heads do not divide the widths {student.width} of the "
                    f"student and {teacher.width} of the teacher: give heads: one of {divisors}"
                )

    def window_losses(self, outputs: "LayerOutputs") -> "list[WindowLosses]":
        """Return the divergence of each relation of the term."""
        from alambique.distill.activations import per_window
        from alambique.distill.attention import relation_divergence

        ours = outputs.student.qkv[outputs.student.layers - 1]
        theirs = outputs.teacher.qkv[self._teacher_layer(outputs.teacher.layers)]
        heads = self.term.heads or outputs.teacher.heads
        return [
            per_window(
                relation_divergence(
                    _factors(relation, ours),
                    _factors(relation, theirs),
                    outputs.real_BN,
                    heads=heads,
                )
            )
            for relation in self.term.pairs
        ]

    def _teacher_layer(self, teacher_layers: int) -> int:
        layer = self.term.layer
        if layer is None:
            return teacher_layers - 1
        if layer >= teacher_layers:
            raise BadSpec(
                f"relations of layer {layer}, and the teacher has layers 0 to "
                f"{teacher_layers - 1}: give one of those, or leave layer out for the last"
            )
        return layer


def _factors(relation: Relation, qkv: "QueryKeyValue") -> "tuple[Tensor, Tensor]":
    """Return the two that a relation multiplies: of "qk", queries and keys."""
    by_letter = {"q": qkv.queries_BND, "k": qkv.keys_BND, "v": qkv.values_BND}
    return by_letter[relation[0]], by_letter[relation[1]]
