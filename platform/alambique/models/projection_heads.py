"""What is trained beside a student and dropped when it is exported: projections and layer maps.

Shapes: B windows, N pieces, D width of the student, E width of the teacher, S and L layers of both.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from alambique.distill.mapping import pairs
from alambique.spec.objective import Attention, Hidden, IntermediateLoss

_SHARED = "shared"
"""The name of the one projection of all layers."""
_GIVEN = "term-"
"""Before a name that a job gives: modules have names of their own, such as `values`."""


class ProjectionHeads(nn.Module):
    """The student's hidden states as wide as the teacher's, and maps between layers."""

    def __init__(
        self,
        terms: Sequence[IntermediateLoss],
        *,
        hidden: Iterable[int],
        widths: tuple[int, int],
        depths: tuple[int, int],
    ) -> None:
        """Untrained; of `terms`, those that are learnt with.

        Args:
            terms: of the objective.
            hidden: the layers whose states are compared.
            widths: of student and teacher.
            depths: of student and teacher.
        """
        super().__init__()
        # the same for all of them
        asked = next((term.projection for term in terms if isinstance(term, Hidden)), "none")
        self._shared = asked == "shared"
        # a shared one is never taken for that of a layer, where another training goes on
        own = [_SHARED] if self._shared else map(_name, sorted(set(hidden)))
        names = [] if asked == "none" else own
        self.projections = nn.ModuleDict({name: _projection(*widths) for name in names})
        self.mixtures = nn.ModuleDict(
            {
                term.kind if term.name is None else _GIVEN + term.name: LearnedLayerMap(*depths)
                for term in terms
                if isinstance(term, Hidden | Attention) and term.mapping == "learned"
            }
        )

    def take_over(self, state: Mapping[str, Tensor]) -> None:
        """Goes on with what others were trained to, as far as there is the same here."""
        own = self.state_dict()
        same = {name: w for name, w in state.items() if name in own and own[name].shape == w.shape}
        self.load_state_dict(own | same)

    # no forward of its own: DeepSpeed's hooks on one want names for the keys of what it gives
    def projected(self, hidden: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """(B, N, D) by layer to (B, N, E)."""
        if not self.projections:
            return dict(hidden)
        return {
            layer: self.projections[_SHARED if self._shared else _name(layer)](state_BND)
            for layer, state_BND in hidden.items()
        }

    def mixed(self) -> dict[str, Tensor]:
        """How much each layer of the teacher counts for each of the student, (S, L), by term."""
        return {label_of(name): mixture() for name, mixture in self.mixtures.items()}


class LearnedLayerMap(nn.Module):
    """A layer map that is learnt: for each layer of the student, weights over the teacher's.

    The student's layer is compared with the mean of the teacher's layers by these weights (after
    ALP-KD; Passban et al., 2021, §3, where they depend on the text).
    """

    def __init__(self, layers: int, of: int) -> None:
        """At first half of the weight, or about that, is on the layer of the map `uniform`."""
        super().__init__()
        logits_SL = torch.zeros(layers, of)
        for ours, theirs in pairs("uniform", layers, of):
            logits_SL[ours, theirs] = math.log(of)
        self.logits_SL = nn.Parameter(logits_SL)

    def forward(self) -> Tensor:
        """The weights, (S, L); those of a layer of the student add up to 1."""
        return self.logits_SL.softmax(1)


def label_of(mixture: str) -> str:
    """What the term is called whose mixture has that name among modules."""
    return mixture.removeprefix(_GIVEN)


def _projection(width: int, to: int) -> nn.Linear:
    """At first the identity, with zeros where the teacher is wider.

    That is where the states of a student start that was cut from its teacher, or sliced.
    """
    layer = nn.Linear(width, to)
    with torch.no_grad():
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer


def _name(layer: int) -> str:
    """Of a layer among modules; that before the first is the embeddings'."""
    return f"layer{layer}" if layer >= 0 else "embeddings"
