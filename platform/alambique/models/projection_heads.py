"""What is trained beside a student and dropped when it is exported: projections and layer maps.

Shapes: B windows, N pieces, D width of the student, E width of the teacher, S and L layers of both.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from alambique.distill.mapping import layer_pairs
from alambique.distill.terms.table import comparison_of, select_layers
from alambique.spec.objective import IntermediateLoss

_SHARED = "shared"
"""The name of the one projection of all layers."""
_TERM = "term-"
"""The prefix of a name that a job gives: modules have attributes of their own, such as `values`."""


class ProjectionHeads(nn.Module):
    """Projections of the student's hidden states to the teacher's width, and learned layer maps."""

    def __init__(
        self,
        terms: Sequence[IntermediateLoss],
        *,
        widths: tuple[int, int],
        depths: tuple[int, int],
    ) -> None:
        """Make the modules that the terms are trained with, untrained.

        Args:
            terms: of the objective.
            widths: of student and teacher.
            depths: of student and teacher.
        """
        super().__init__()
        projecting = [term for term in terms if comparison_of(term).projection != "none"]
        # terms of one objective share their projections
        self._shared = any(comparison_of(term).projection == "shared" for term in projecting)
        student, _ = select_layers(projecting, *depths)
        # a shared projection has a name of its own: where another training goes on with these
        # weights, it is not taken for the projection of a layer
        own = [_layer_name(layer) for layer in sorted(student.hidden)]
        names = [_SHARED] if self._shared else own
        self.projections = nn.ModuleDict({name: _identity_projection(*widths) for name in names})
        self.layer_maps = nn.ModuleDict(
            {
                term.kind if term.name is None else _TERM + term.name: LearnedLayerMap(*depths)
                for term in terms
                if comparison_of(term).layer_map == "learned"
            }
        )

    def load_matching(self, state: Mapping[str, Tensor]) -> None:
        """Load the weights of another training, those whose names and shapes are the same here."""
        own = self.state_dict()
        same = {name: w for name, w in state.items() if name in own and own[name].shape == w.shape}
        self.load_state_dict(own | same)

    # no forward of its own: DeepSpeed's hooks on one want names for the keys of what it gives
    def project(self, hidden: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return the hidden states (B, N, E) by layer, from those (B, N, D) of the student.

        States are returned as they are if no term has projections.
        """
        if not self.projections:
            return dict(hidden)
        names = {layer: _SHARED if self._shared else _layer_name(layer) for layer in hidden}
        return {
            layer: self.projections[name](hidden[layer])
            for layer, name in names.items()
            if name in self.projections
        }

    def layer_weights(self) -> dict[str, Tensor]:
        """Return by the label of each term with a learned layer map its weights (S, L)."""
        return {label_of(name): layer_map() for name, layer_map in self.layer_maps.items()}


class LearnedLayerMap(nn.Module):
    """A layer map that is learned: for each layer of the student, weights over the teacher's.

    The student's layer is compared with the mean of the teacher's layers by these weights (after
    ALP-KD; Passban et al., 2021, §3, where they depend on the text).
    """

    def __init__(self, student_layers: int, teacher_layers: int) -> None:
        """Start with about half of each layer's weight on its layer of the map `uniform`."""
        super().__init__()
        logits_SL = torch.zeros(student_layers, teacher_layers)
        for i, j in layer_pairs("uniform", student_layers, teacher_layers):
            logits_SL[i, j] = math.log(teacher_layers)
        self.logits_SL = nn.Parameter(logits_SL)

    def forward(self) -> Tensor:
        """Return the weights, (S, L); those of one layer of the student add up to 1."""
        return self.logits_SL.softmax(1)


def label_of(module_name: str) -> str:
    """Return the label of the term whose learned layer map has that name among the modules."""
    return module_name.removeprefix(_TERM)


def _identity_projection(width: int, to: int) -> nn.Linear:
    """Return a projection that starts as the identity, with zeros where the teacher is wider.

    The states of a student that was cut from its teacher, or sliced, start there.
    """
    layer = nn.Linear(width, to)
    with torch.no_grad():
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer


def _layer_name(layer: int) -> str:
    """Return the name of a layer's projection; layer -1 is the embeddings."""
    return f"layer{layer}" if layer >= 0 else "embeddings"
