"""Hooks that record the activations of a network's layers, with SDPA left on.

Shapes: B windows, N pieces, D width, H heads, d columns of a head.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.modernbert.modeling_modernbert import apply_rotary_pos_emb

from alambique.distill.activations import Activations, QueryKeyValue
from alambique.distill.terms.comparison import LayerSelection
from alambique.models.configs import Sizes, depth, sizes_of
from alambique.models.families import Family, family_of
from alambique.models.networks import Network
from alambique.models.shapes import attention_kinds
from alambique.spec.errors import BadModel, BadSpec
from alambique.spec.excerpts import joined_by
from alambique.spec.objective import intermediate_kinds


@dataclass(frozen=True, slots=True)
class _Record:
    """What the hooks of one kind saw during a forward pass, by the number of the layer."""

    selected: frozenset[int] = frozenset()
    """The layers whose values are kept; the memory of the others is free again at once."""
    seen: set[int] = field(default_factory=set)
    kept: dict[int, Any] = field(default_factory=dict)

    def add(self, number: int | None, value: Any) -> None:
        """Keep a value of a layer if the layer is selected and has none yet.

        Of two values of one layer the first is kept: a DeBERTa projects distances after its tokens.

        Args:
            number: of the layer; None: the layer after the one before.
            value: what the hook saw.
        """
        layer = len(self.seen) if number is None else number
        if layer in self.selected - self.seen:
            self.kept[layer] = value
        self.seen.add(layer)

    def clear(self) -> None:
        """Forget everything, before the next forward pass."""
        self.seen.clear()
        self.kept.clear()


_Pick = Callable[[Any, Any, Any], Any]
"""From a module's positional arguments, named arguments and output to what is recorded."""


class ActivationHooks:
    """Hooks on the layers of a network, which record activations at each forward pass."""

    def __init__(self, network: Network, selection: LayerSelection) -> None:
        """Register the hooks.

        Raises:
            BadSpec: the network has no such layer.
            BadModel: it is not built as its family is.
        """
        self._config = network.config
        self._selection = selection
        self._family = family_of(self._config)
        self._depth = depth(self._config)
        _check_depth(selection, self._depth)
        # the output of a layer is recorded as the next one's input, which a DeBERTa may change
        self._inputs = _Record(frozenset(layer + 1 for layer in selection.hidden))
        self._outputs = _Record(selection.hidden & {self._depth - 1})
        self._rotations = _Record(selection.qkv)
        self._projections = [_Record(selection.qkv) for _ in self._family.projections]
        self._handles = [network.inner.register_forward_pre_hook(self._clear)]
        for number, layer in enumerate(_layers(network, self._family)):
            self._register(layer, None if self._family.layer is None else number)

    def take(self) -> Activations:
        """Return the activations of the network's last forward pass, and forget them.

        Raises:
            BadModel: the hooks were not reached in every layer.
        """
        activations = Activations(
            hidden=self._hidden() if self._selection.hidden else {},
            qkv={layer: self._qkv(layer) for layer in sorted(self._selection.qkv)},
            layers=self._depth,
            heads=sizes_of(self._config).heads,
            reach=_reach(self._config),
        )
        self._clear()
        return activations

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    def _register(self, layer: nn.Module, number: int | None) -> None:
        """Register hooks on a layer; without a number it is called once for each of all layers."""
        if self._selection.hidden:
            self._add_hook(layer, self._inputs, number, _input)
            self._add_hook(layer, self._outputs, number, _output)
        if not self._selection.qkv:
            return
        for name, record in zip(self._family.projections, self._projections, strict=True):
            self._add_hook(_submodule(layer, name), record, number, _output)
        if self._family.rotary:
            attention = _submodule(layer, self._family.projections[0].partition(".")[0])
            self._add_hook(attention, self._rotations, number, _rotation)

    def _add_hook(
        self, module: nn.Module, record: _Record, number: int | None, pick: _Pick
    ) -> None:
        def hook(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            record.add(number, pick(args, kwargs, output))

        self._handles.append(module.register_forward_hook(hook, with_kwargs=True))

    def _clear(self, *_: object) -> None:
        for record in (self._inputs, self._outputs, self._rotations, *self._projections):
            record.clear()

    def _hidden(self) -> Mapping[int, Tensor]:
        _check_complete(self._inputs, self._depth, "layers")
        from_inputs = {layer - 1: state for layer, state in self._inputs.kept.items()}
        return dict(sorted({**from_inputs, **self._outputs.kept}.items()))

    def _qkv(self, layer: int) -> QueryKeyValue:
        for record in self._projections:
            _check_complete(record, self._depth, "attention projections")
        parts = [record.kept[layer] for record in self._projections]
        if not self._family.rotary:
            return QueryKeyValue(*parts)
        sizes = sizes_of(self._config)
        parts_BHNd = [_split_heads(part, sizes.head) for part in _split_qkv(parts, sizes)]
        return _rotate(parts_BHNd, self._rotations.kept[layer], sizes)


def _input(args: Any, kwargs: Any, _: Any) -> Any:
    return args[0] if args else kwargs["hidden_states"]


def _output(args: Any, kwargs: Any, output: Any) -> Any:
    return output if isinstance(output, Tensor) else output[0]


def _rotation(_: Any, kwargs: Any, __: Any) -> Any:
    return kwargs["position_embeddings"]


def _layers(network: Network, family: Family) -> Sequence[nn.Module]:
    """Return the layers in their order; the one layer of an ALBERT once."""
    body = network.inner.base_model
    if family.layer is None:
        assert family.only_layer is not None
        return [_submodule(body, family.only_layer.removeprefix(family.body))]
    prefix = family.layer.removeprefix(family.body)
    return [_submodule(body, f"{prefix}{number}") for number in range(depth(network.config))]


def _submodule(module: nn.Module, name: str) -> nn.Module:
    try:
        return module.get_submodule(name)
    except AttributeError as error:
        raise BadModel(
            f"a {type(module).__name__} has no {name}: what passes through its layers cannot be "
            f"compared; leave {joined_by(intermediate_kinds(), 'and')} out of the objective"
        ) from error


def _check_depth(selection: LayerSelection, layers: int) -> None:
    outside = [layer for layer in selection.hidden | selection.qkv if layer >= layers]
    if outside:
        raise BadSpec(
            f"layer {max(outside)} is compared, the network has layers 0 to {layers - 1}: "
            "name some of those in the objective"
        )


def _check_complete(record: _Record, layers: int, what: str) -> None:
    # never a silent zero: an objective over nothing would be one
    if len(record.seen) != layers:
        raise BadModel(
            f"hooks saw {len(record.seen)} {what} in one answer, the network has {layers}: this "
            f"architecture is not built as expected; leave {joined_by(intermediate_kinds(), 'and')}"
            " out of the objective"
        )


def _split_qkv(parts: list[Tensor], sizes: Sizes) -> list[Tensor]:
    """Return queries, keys and values, also where one layer makes all of them."""
    return list(torch.split(parts[0], sizes.width, dim=-1)) if len(parts) == 1 else parts


def _split_heads(joined_BND: Tensor, columns: int) -> Tensor:
    size, length, _ = joined_BND.shape
    return joined_BND.view(size, length, -1, columns).transpose(1, 2)


def _join_heads(split_BHNd: Tensor) -> Tensor:
    return split_BHNd.transpose(1, 2).flatten(2)


def _rotate(
    parts_BHNd: list[Tensor], rotation: tuple[Tensor, Tensor], sizes: Sizes
) -> QueryKeyValue:
    """Return queries and keys rotated by their positions; shared heads are repeated."""
    queries_BHNd, keys_BHNd, values_BHNd = parts_BHNd
    rotate: Any = apply_rotary_pos_emb
    queries_BHNd, keys_BHNd = rotate(queries_BHNd, keys_BHNd, *rotation, unsqueeze_dim=1)
    shared_BHNd = (
        part.repeat_interleave(sizes.key_value_groups, dim=1) for part in (keys_BHNd, values_BHNd)
    )
    return QueryKeyValue(*(_join_heads(part) for part in (queries_BHNd, *shared_BHNd)))


def _reach(config: Mapping[str, Any]) -> dict[int, int]:
    """Return how far a piece sees to either side, of the layers with a sliding window."""
    if config["model_type"] != "modernbert":
        return {}
    kinds = attention_kinds(config)
    near = int(config.get("local_attention", 128)) // 2
    return {layer: near for layer, kind in enumerate(kinds) if kind == "sliding_attention"}
