"""A student with everything that is trained beside it, and its live teacher.

Shapes: B windows, N pieces of the longest, C classes, S and L layers of student and teacher.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from alambique.distill.activations import Activations, LayerOutputs, QueryKeyValue
from alambique.distill.objective import objective_loss
from alambique.distill.prediction_rows import empty_rows
from alambique.distill.terms.comparison import LayerSelection
from alambique.distill.terms.table import select_layers
from alambique.models.activation_hooks import ActivationHooks
from alambique.models.comparability import check_comparable
from alambique.models.configs import depth, sizes_of
from alambique.models.networks import Network
from alambique.models.projection_heads import ProjectionHeads, label_of
from alambique.spec.field_errors import prefix_paths
from alambique.spec.objective import (
    IntermediateLoss,
    Term,
    at_highest_weight,
    has_output_loss,
)

_PROJECTION_HEADS = "projection_heads."
"""The prefix of the projection heads' weights in the state of a distillation model."""
LAYER_MAPS = f"{_PROJECTION_HEADS}layer_maps."
"""The prefix of the learned layer maps' weights in the state of a distillation model."""
_NETWORK = "network."
"""The prefix of the student's own weights in the state of a distillation model."""


class DistillationModel(nn.Module):
    """A student, its projection heads and learned layer maps; without terms, the student alone."""

    def __init__(
        self,
        network: Network,
        teacher: Network | None = None,
        terms: Sequence[IntermediateLoss] = (),
    ) -> None:
        """Prepare a student to be compared with a live teacher.

        Args:
            network: the student.
            teacher: None if no term compares layers.
            terms: those that compare layers.

        Raises:
            BadSpec: a term cannot compare these networks; its cause names the field.
        """
        super().__init__()
        self.network = network
        self.projection_heads = ProjectionHeads((), widths=(1, 1), depths=(1, 1))
        self._selection = LayerSelection()
        self._hooks: ActivationHooks | None = None
        self._forwarded: _Forwarded | None = None
        self._live_teacher: _LiveTeacher | None = None
        if teacher is not None and terms:
            self._add_teacher(teacher, terms)

    def forward(self, input_ids_BN: Tensor, attention_BN: Tensor, type_ids_BN: Tensor) -> Tensor:
        """Return the student's logits (B, N, C), float32."""
        if self._live_teacher is not None and self._hooks is None:
            # as late as this: under ZeRO 3 what passes DeepSpeed's hooks first has its gradients
            self._hooks = ActivationHooks(self.network, self._selection)
        logits_BNC: Tensor = self.network(input_ids_BN, attention_BN, type_ids_BN)
        if self._hooks is not None:
            activations = self._hooks.take()
            # in here, and not where they are compared: ZeRO 3 has the weights only during a forward
            self._forwarded = (
                activations,
                self.projection_heads.project(activations.hidden),
                self.projection_heads.layer_weights(),
            )
        return logits_BNC

    def remove_hooks(self) -> None:
        """Remove the hooks from the student until its next forward pass."""
        if self._hooks is not None:
            self._hooks.close()
        self._hooks = None

    def layer_outputs(
        self, input_ids_BN: Tensor, attention_BN: Tensor, type_ids_BN: Tensor, weight_B: Tensor
    ) -> LayerOutputs | None:
        """Return the activations of both networks for the windows of the last forward pass.

        The teacher's forward pass happens here. None if no term compares layers.

        Args:
            input_ids_BN: the ids of that forward pass.
            attention_BN: the attention mask of that forward pass, 0 at padding.
            type_ids_BN: the token types of that forward pass.
            weight_B: the weight of each window.
        """
        if self._live_teacher is None:
            return None
        assert self._forwarded is not None  # by the forward pass, which comes first
        student, projected, layer_weights = self._forwarded
        self._forwarded = None
        teacher, output_BNC = self._live_teacher.predict(input_ids_BN, attention_BN, type_ids_BN)
        return LayerOutputs(
            real_BN=attention_BN.bool(),
            weight_B=weight_B,
            student=_in_float32(student),
            projected={layer: state.float() for layer, state in projected.items()},
            teacher=_in_float32(teacher),
            layer_weights={label: weights.float() for label, weights in layer_weights.items()},
            teacher_output_BNC=output_BNC,
        )

    def _add_teacher(self, teacher: Network, terms: Sequence[IntermediateLoss]) -> None:
        ours, theirs = self.network.config, teacher.config
        depths = depth(ours), depth(theirs)
        for term in terms:
            with prefix_paths(term.label):
                check_comparable([term], ours, theirs)
        self._selection, of_teacher = select_layers(terms, *depths)
        self.projection_heads = ProjectionHeads(
            terms, widths=(sizes_of(ours).width, sizes_of(theirs).width), depths=depths
        )
        self._live_teacher = _LiveTeacher(teacher, of_teacher)


_Forwarded = tuple[Activations, dict[int, Tensor], dict[str, Tensor]]
"""The activations of a forward pass, the projected hidden states, the weights of layer maps."""


class _LiveTeacher:
    """A teacher beside the student. It is no module: it is neither trained nor saved."""

    def __init__(self, network: Network, selection: LayerSelection) -> None:
        self._network = network.eval().requires_grad_(False)
        self._hooks = ActivationHooks(network, selection)

    @torch.no_grad()
    def predict(self, *inputs: Tensor) -> tuple[Activations, Tensor]:
        """Return the activations of the selected layers, and the output (B, N, C)."""
        self._network.to(inputs[0].device)
        output_BNC: Tensor = self._network(*inputs)
        return self._hooks.take(), output_BNC


def _in_float32(activations: Activations) -> Activations:
    """Return the activations in float32: what is compared is not rounded once more."""
    return replace(
        activations,
        hidden={layer: state.float() for layer, state in activations.hidden.items()},
        qkv={
            layer: QueryKeyValue(
                qkv.queries_BND.float(), qkv.keys_BND.float(), qkv.values_BND.float()
            )
            for layer, qkv in activations.qkv.items()
        },
    )


def freeze_unreached_weights(model: DistillationModel, terms: Sequence[Term]) -> None:
    """Freeze the weights that an objective of layers alone does not reach, such as a last norm.

    They would learn nothing, but weight decay would shrink them, in the optimizers that take zeros
    for a gradient that is not there.
    """
    if has_output_loss(terms):
        return
    was_training = model.training
    model.eval()
    ids_1N = torch.arange(4)[None]
    inputs = ids_1N, torch.ones_like(ids_1N), torch.zeros_like(ids_1N)
    rows = empty_rows(model(*inputs))
    layer_outputs = model.layer_outputs(*inputs, torch.ones(1))
    loss = objective_loss(rows, list(map(at_highest_weight, terms)), layer_outputs).total
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.requires_grad_(gradient is not None)
    model.train(was_training)
    model.remove_hooks()


def student_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the student's weights in the state of a model, by their names in its network."""
    return _without_prefix(state, _NETWORK)


def projection_head_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights in the state of a model that are trained beside its student.

    Their names are those in `DistillationModel.projection_heads`.
    """
    return _without_prefix(state, _PROJECTION_HEADS)


def _without_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): weight
        for name, weight in state.items()
        if name.startswith(prefix)
    }


def learned_layer_maps(state: Mapping[str, Tensor]) -> dict[str, list[list[float]]]:
    """Return the learned layer maps in the state of a model: by label, their weights (S, L)."""
    return {
        label_of(name.removeprefix(LAYER_MAPS).partition(".")[0]): logits_SL.softmax(1).tolist()
        for name, logits_SL in state.items()
        if name.startswith(LAYER_MAPS)
    }
