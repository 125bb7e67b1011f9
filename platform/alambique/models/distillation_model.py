"""A student with all that is trained beside it, and its teacher answering the same windows.

Shapes: B windows, N pieces of the longest, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from alambique.distill.activations import Activations, Projected
from alambique.distill.intermediate import LayerOutputs
from alambique.distill.layer_selection import LayerSelection, select_layers
from alambique.distill.objective import objective_loss
from alambique.distill.prediction_rows import no_rows
from alambique.models.activation_hooks import ActivationHooks
from alambique.models.comparing import check_comparable
from alambique.models.configs import depth, sizes_of
from alambique.models.networks import Network
from alambique.models.projection_heads import ProjectionHeads, label_of
from alambique.spec.faults import prefix_paths
from alambique.spec.objective import IntermediateLoss, Term, answers, at_its_highest

_BRIDGES = "bridges."
"""What the names of what is trained beside the student begin with in a learner's state."""
MIXTURES = f"{_BRIDGES}mixtures."
"""And those of learnt layer maps."""
_NETWORK = "network."
"""What the names of the student's own weights begin with in a learner's state."""


class DistillationModel(nn.Module):
    """A student, and what is learnt with it; alone, it is the student and nothing else."""

    def __init__(
        self,
        network: Network,
        teacher: Network | None = None,
        terms: Sequence[IntermediateLoss] = (),
    ) -> None:
        """Of a student and, where terms compare layers, its teacher.

        Raises:
            BadSpec: the terms cannot be compared on these networks.
        """
        super().__init__()
        self.network = network
        self.bridges = ProjectionHeads((), hidden=(), widths=(1, 1), depths=(1, 1))
        self._wanted = LayerSelection()
        self._taps: ActivationHooks | None = None
        self._passed: tuple[Activations, dict[str, Tensor]] | None = None
        self._beside: _Beside | None = None
        if teacher is not None and terms:
            self._compare(teacher, terms)

    def forward(self, input_ids_BN: Tensor, attention_BN: Tensor, type_ids_BN: Tensor) -> Tensor:
        """The student's logits (B, N, C), float32."""
        if self._beside is not None and self._taps is None:
            # as late as this: under ZeRO 3 what passes DeepSpeed's hooks first has its gradients
            self._taps = ActivationHooks(self.network, self._wanted)
        logits_BNC: Tensor = self.network(input_ids_BN, attention_BN, type_ids_BN)
        if self._taps is not None:
            states = self._taps.take()
            # in here, and not where they are compared: ZeRO 3 has the weights only during a forward
            self._passed = (
                replace(states, hidden=self.bridges.projected(states.hidden)),
                self.bridges.mixed(),
            )
        return logits_BNC

    def untap(self) -> None:
        """Takes the taps off until the next answer."""
        if self._taps is not None:
            self._taps.close()
        self._taps = None

    def inside(
        self, input_ids_BN: Tensor, attention_BN: Tensor, type_ids_BN: Tensor, weight_B: Tensor
    ) -> LayerOutputs | None:
        """What passed through both networks for these windows; the student has just answered them.

        None: nothing of it is compared.
        """
        if self._beside is None:
            return None
        assert self._passed is not None  # by the answer, which comes first
        student, mixtures = self._passed
        self._passed = None
        teacher, answer_BNC = self._beside.answered(input_ids_BN, attention_BN, type_ids_BN)
        return LayerOutputs(
            real_BN=attention_BN.bool(),
            weight_B=weight_B,
            student=_full(student),
            teacher=_full(teacher),
            mixtures={label: weights.float() for label, weights in mixtures.items()},
            answer_BNC=answer_BNC,
        )

    def _compare(self, teacher: Network, terms: Sequence[IntermediateLoss]) -> None:
        ours, theirs = self.network.config, teacher.config
        depths = depth(ours), depth(theirs)
        for term in terms:
            with prefix_paths(term.label):
                check_comparable([term], ours, theirs)
        of_student, of_teacher = select_layers(terms, *depths)
        self.bridges = ProjectionHeads(
            terms,
            hidden=of_student.hidden,
            widths=(sizes_of(ours).width, sizes_of(theirs).width),
            depths=depths,
        )
        self._wanted = of_student
        self._beside = _Beside(teacher, of_teacher)


class _Beside:
    """A teacher that answers beside the student; no module: it is neither trained nor kept."""

    def __init__(self, network: Network, selection: LayerSelection) -> None:
        self._network = network.eval().requires_grad_(False)
        self._taps = ActivationHooks(network, selection)

    @torch.no_grad()
    def answered(self, *inputs: Tensor) -> tuple[Activations, Tensor]:
        self._network.to(inputs[0].device)
        answer_BNC: Tensor = self._network(*inputs)
        return self._taps.take(), answer_BNC


def _full(states: Activations) -> Activations:
    """In float32: what is compared is not rounded once more."""
    return replace(
        states,
        hidden={layer: state.float() for layer, state in states.hidden.items()},
        projected={
            layer: Projected(one.queries_BND.float(), one.keys_BND.float(), one.values_BND.float())
            for layer, one in states.projected.items()
        },
    )


def freeze_untaught(learner: DistillationModel, terms: Sequence[Term]) -> None:
    """Freezes the weights that an objective of layers alone does not reach, such as a last norm.

    They would learn nothing, but weight decay would shrink them: in those optimizers that take
    zeros for a gradient that is not there.
    """
    if answers(terms):
        return
    training = learner.training
    learner.eval()
    ids_1N = torch.arange(4)[None]
    inputs = ids_1N, torch.ones_like(ids_1N), torch.zeros_like(ids_1N)
    answer_1NC = learner(*inputs)
    inside = learner.inside(*inputs, torch.ones(1))
    loss = objective_loss(no_rows(answer_1NC), list(map(at_its_highest, terms)), inside).total
    weights = [weight for weight in learner.parameters() if weight.requires_grad]
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    for weight, gradient in zip(weights, found, strict=True):
        weight.requires_grad_(gradient is not None)
    learner.train(training)
    learner.untap()


def student_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of the weights of a learner, those of the student alone, by their names in its network."""
    return _within(state, _NETWORK)


def bridge_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of what is trained beside it, by their names in `DistillationModel.bridges`."""
    return _within(state, _BRIDGES)


def _within(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): weight
        for name, weight in state.items()
        if name.startswith(prefix)
    }


def mixed(state: Mapping[str, Tensor]) -> dict[str, list[list[float]]]:
    """The layer maps that are learnt in the weights of a learner, (S, L) by term."""
    return {
        label_of(name.removeprefix(MIXTURES).partition(".")[0]): logits_SL.softmax(1).tolist()
        for name, logits_SL in state.items()
        if name.startswith(MIXTURES)
    }
