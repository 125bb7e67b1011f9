"""The term that compares hidden states by a layer map."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alambique.distill.terms.comparison import (
    EMBEDDINGS,
    LayerSelection,
    NetworkShape,
    Projection,
    Unit,
    check_mapping,
    mapped_layers,
)
from alambique.spec.errors import BadSpec
from alambique.spec.field_errors import prefix_paths
from alambique.spec.objective import Hidden, LayerMapping

if TYPE_CHECKING:
    from torch import Tensor

    from alambique.distill.activations import LayerOutputs, WindowLosses


@dataclass(frozen=True, slots=True)
class HiddenComparison:
    """Compares hidden states, the student's through a projection unless there is none."""

    term: Hidden

    @property
    def layer_map(self) -> LayerMapping:
        """The map of the term."""
        return self.term.mapping

    @property
    def projection(self) -> Projection:
        """The projection of the term."""
        return self.term.projection

    @property
    def unit(self) -> Unit:
        """Tokens where TextBrewer's mean is over them, else windows."""
        by_tokens = self.term.reduction == "textbrewer" and self.term.loss != "pkd"
        return "tokens" if by_tokens else "windows"

    def select_layers(
        self, student_layers: int, teacher_layers: int
    ) -> tuple[LayerSelection, LayerSelection]:
        """Return the hidden states of the map, and those of the embeddings if asked for.

        Raises:
            BadSpec: a layer is not there, or the map is not chosen yet.
        """
        ours, theirs = mapped_layers(self.term.mapping, student_layers, teacher_layers)
        embeddings = frozenset({EMBEDDINGS} if self.term.embeddings else ())
        return LayerSelection(hidden=ours | embeddings), LayerSelection(hidden=theirs | embeddings)

    def check_networks(self, student: NetworkShape, teacher: NetworkShape) -> None:
        """Check that the layers are there, and that widths are equal without a projection.

        Raises:
            BadSpec: a layer is not there, or the widths differ.
        """
        check_mapping(self.term.mapping, student, teacher)
        if self.term.projection == "none" and student.width != teacher.width:
            with prefix_paths("projection"):
                raise BadSpec(
                    f"hidden states of the student are {student.width} wide, the teacher's "
                    f"{teacher.width}, and projection is none: give projection: shared, or "
                    "per-layer"
                )

    def window_losses(self, outputs: "LayerOutputs") -> "list[WindowLosses]":
        """Return the distance of each pair of hidden states, that of the embeddings first."""
        ours, theirs = outputs.projected, outputs.teacher.hidden
        mapped = outputs.map_layers(
            self.term.mapping, self.term.label, ours.__getitem__, theirs.__getitem__
        )
        embeddings = [(ours[EMBEDDINGS], theirs[EMBEDDINGS])] if self.term.embeddings else []
        return [self._distance(*pair, outputs.real_BN) for pair in [*embeddings, *mapped]]

    def _distance(
        self, student_BNE: "Tensor", teacher_BNE: "Tensor", real_BN: "Tensor"
    ) -> "WindowLosses":
        from alambique.distill import hidden, published
        from alambique.distill.activations import per_window

        match self.term.loss, self.term.reduction:
            case "mse", "tinybert":
                return per_window(published.tinybert_hidden(student_BNE, teacher_BNE))
            case "mse", "textbrewer":
                return published.textbrewer_squared(student_BNE, teacher_BNE, real_BN)
            case "mse", _:
                return per_window(hidden.squared(student_BNE, teacher_BNE, real_BN))
            case "cosine", "textbrewer":
                return published.textbrewer_cosine(student_BNE, teacher_BNE, real_BN)
            case "cosine", _:
                return per_window(hidden.cosine(student_BNE, teacher_BNE, real_BN))
            case _:
                return per_window(hidden.patient(student_BNE, teacher_BNE, real_BN))
