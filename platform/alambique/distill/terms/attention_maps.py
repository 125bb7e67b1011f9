"""The term that compares attention, its scores or its probabilities, by a layer map."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from alambique.distill.mapping import compared_layers
from alambique.distill.terms.comparison import (
    LayerSelection,
    NetworkShape,
    Projection,
    Unit,
    check_mapping,
    mapped_layers,
)
from alambique.spec.errors import BadSpec
from alambique.spec.field_errors import prefix_paths
from alambique.spec.objective import Attention, LayerMapping

if TYPE_CHECKING:
    from torch import Tensor

    from alambique.distill.activations import Activations, LayerOutputs, WindowLosses


@dataclass(frozen=True, slots=True)
class AttentionComparison:
    """Compares attention scores, made of queries and keys."""

    term: Attention

    @property
    def layer_map(self) -> LayerMapping:
        """The map of the term."""
        return self.term.mapping

    @property
    def projection(self) -> Projection:
        """None: scores have no width."""
        return "none"

    @property
    def unit(self) -> Unit:
        """Pairs of tokens where TextBrewer's mean is over them, else windows."""
        return "pairs" if self.term.reduction == "textbrewer" else "windows"

    def select_layers(
        self, student_layers: int, teacher_layers: int
    ) -> tuple[LayerSelection, LayerSelection]:
        """Return the queries, keys and values of the layers of the map.

        Raises:
            BadSpec: a layer is not there, or the map is not chosen yet.
        """
        ours, theirs = mapped_layers(self.term.mapping, student_layers, teacher_layers)
        return LayerSelection(qkv=ours), LayerSelection(qkv=theirs)

    def check_networks(self, student: NetworkShape, teacher: NetworkShape) -> None:
        """Check that the layers are there, made of plain scores, and heads as many if compared.

        Raises:
            BadSpec: a layer is not there, scores are more than products, or head counts differ.
        """
        check_mapping(self.term.mapping, student, teacher)
        for network in (student, teacher):
            if not network.dot_product_scores:
                raise BadSpec(
                    f"attention of a {network.model_type} has parts for distances beside queries "
                    "and keys, and is not compared: take the term relations, or hidden"
                )
        if self.term.heads == "each" and student.heads != teacher.heads:
            with prefix_paths("heads"):
                raise BadSpec(
                    f"the student has {student.heads} attention heads, the teacher "
                    f"{teacher.heads}, and attention is compared head by head: give the student "
                    "as many (student.heads), compare the mean (heads: mean), or take the term "
                    "relations, which splits both widths anew"
                )

    def window_losses(self, outputs: "LayerOutputs") -> "list[WindowLosses]":
        """Return the distance of the scores of each pair of layers.

        Only pairs of real tokens within the reach of both layers are compared.
        """
        mapped = outputs.map_layers(
            self.term.mapping,
            self.term.label,
            partial(self._scores, outputs.student),
            partial(self._scores, outputs.teacher),
        )
        seen = self._seen_pairs(outputs)
        return [
            self._distance(*scores, seen_BNN, outputs.real_BN)
            for scores, seen_BNN in zip(mapped, seen, strict=True)
        ]

    def _scores(self, network: "Activations", layer: int) -> "Tensor":
        from alambique.distill import attention

        qkv = network.qkv[layer]
        scores_BHNN = attention.attention_scores(
            *(
                all_BND.reshape(*all_BND.shape[:2], network.heads, -1).transpose(1, 2)
                for all_BND in (qkv.queries_BND, qkv.keys_BND)
            )
        )
        return attention.mean_over_heads(scores_BHNN) if self.term.heads == "mean" else scores_BHNN

    def _seen_pairs(self, outputs: "LayerOutputs") -> "list[Tensor]":
        """Return for each pair of layers which pairs of tokens (B, N, N) both of them see."""
        from alambique.distill import attention

        compared = compared_layers(
            self.term.mapping, outputs.student.layers, outputs.teacher.layers
        )
        length = outputs.real_BN.shape[1]
        ours, theirs = outputs.student.reach, outputs.teacher.reach
        reaches = [
            min(ours.get(i, length), *(theirs.get(j, length) for j in mixed))
            for i, mixed in compared
        ]
        return [attention.real_pairs(outputs.real_BN, reach=reach) for reach in reaches]

    def _distance(
        self,
        student_BHNN: "Tensor",
        teacher_BHNN: "Tensor",
        seen_BNN: "Tensor",
        real_BN: "Tensor",
    ) -> "WindowLosses":
        from alambique.distill import attention, published
        from alambique.distill.activations import per_window

        match self.term.loss, self.term.reduction:
            case "score-mse", "tinybert":
                return per_window(published.tinybert_attention(student_BHNN, teacher_BHNN, real_BN))
            case "score-mse", "textbrewer":
                return published.textbrewer_attention_squared(student_BHNN, teacher_BHNN, seen_BNN)
            case "score-mse", _:
                return per_window(attention.squared_scores(student_BHNN, teacher_BHNN, seen_BNN))
            case "kl", _:
                return per_window(attention.divergence(student_BHNN, teacher_BHNN, seen_BNN))
            case _:
                return per_window(
                    attention.squared_probabilities(student_BHNN, teacher_BHNN, seen_BNN)
                )
