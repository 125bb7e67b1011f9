"""Taps on a network: what its layers pass on while it answers, with SDPA left on.

Shapes: B windows, N pieces, D width, H heads, d columns of a head.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.modernbert.modeling_modernbert import apply_rotary_pos_emb

from alambique.distill.activations import Activations, Projected
from alambique.distill.layer_selection import LayerSelection
from alambique.models.configs import Sizes, depth, sizes_of
from alambique.models.families import Family, family_of
from alambique.models.networks import Network
from alambique.models.shapes import attention_kinds
from alambique.spec.errors import BadModel, BadSpec


@dataclass(frozen=True, slots=True)
class _Passed:
    """What one kind of hook saw pass during an answer, by the number of the layer."""

    wanted: frozenset[int] = frozenset()
    """The layers of which it is kept: the others' memory is free again at once."""
    seen: set[int] = field(default_factory=set)
    kept: dict[int, Any] = field(default_factory=dict)

    def passes(self, number: int | None, what: Any) -> None:
        """In this layer, or, without a number, in the one after the last.

        Of what passes twice the first is kept: a DeBERTa projects distances after its tokens.
        """
        layer = len(self.seen) if number is None else number
        if layer in self.wanted - self.seen:
            self.kept[layer] = what
        self.seen.add(layer)

    def clear(self) -> None:
        """Before the next answer."""
        self.seen.clear()
        self.kept.clear()


_What = Callable[[Any, Any, Any], Any]
"""What a hook keeps of a module's positional and named arguments, and of its output."""


class ActivationHooks:
    """Hooks on the layers of a network; each answer leaves there what passed through."""

    def __init__(self, network: Network, wanted: LayerSelection) -> None:
        """Puts the hooks on.

        Raises:
            BadSpec: the network has no such layer.
            BadModel: it is not built as its family is.
        """
        self._config = network.config
        self._wanted = wanted
        self._family = family_of(self._config)
        self._depth = depth(self._config)
        _check_depth(wanted, self._depth)
        # what a layer passed on is what the next one reads, for a DeBERTa may change it in between
        self._read = _Passed(frozenset(layer + 1 for layer in wanted.hidden))
        self._written = _Passed(wanted.hidden & {self._depth - 1})
        self._turns = _Passed(wanted.projected)
        self._projections = [_Passed(wanted.projected) for _ in self._family.projections]
        self._hooks = [network.inner.register_forward_pre_hook(self._clear)]
        for number, layer in enumerate(_layers(network, self._family)):
            self._watch(layer, None if self._family.layer is None else number)

    def take(self) -> Activations:
        """What the layers passed on in the network's last answer, once: it is not kept longer.

        Raises:
            BadModel: the hooks were not reached in every layer.
        """
        states = Activations(
            hidden=self._hidden() if self._wanted.hidden else {},
            projected={layer: self._projected(layer) for layer in sorted(self._wanted.projected)},
            layers=self._depth,
            heads=sizes_of(self._config).heads,
            reach=_reach(self._config),
        )
        self._clear()
        return states

    def close(self) -> None:
        """Takes the hooks off."""
        for hook in self._hooks:
            hook.remove()

    def _watch(self, layer: nn.Module, number: int | None) -> None:
        """Hooks on a layer; on the only one, which is called once for each, if it has no number."""
        if self._wanted.hidden:
            self._hook(layer, self._read, number, _what_it_read)
            self._hook(layer, self._written, number, _what_it_wrote)
        if not self._wanted.projected:
            return
        for name, passed in zip(self._family.projections, self._projections, strict=True):
            self._hook(_inside(layer, name), passed, number, _what_it_wrote)
        if self._family.turned:
            whole = _inside(layer, self._family.projections[0].partition(".")[0])
            self._hook(whole, self._turns, number, _where_it_is)

    def _hook(self, module: nn.Module, passed: _Passed, number: int | None, what: _What) -> None:
        def hook(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            passed.passes(number, what(args, kwargs, output))

        self._hooks.append(module.register_forward_hook(hook, with_kwargs=True))

    def _clear(self, *_: object) -> None:
        for passed in (self._read, self._written, self._turns, *self._projections):
            passed.clear()

    def _hidden(self) -> Mapping[int, Tensor]:
        _check_all(self._read, self._depth, "layers")
        after = {layer - 1: read for layer, read in self._read.kept.items()}
        return dict(sorted({**after, **self._written.kept}.items()))

    def _projected(self, layer: int) -> Projected:
        for found in self._projections:
            _check_all(found, self._depth, "attention projections")
        parts = [found.kept[layer] for found in self._projections]
        if not self._family.turned:
            return Projected(*parts)
        sizes = sizes_of(self._config)
        split_BHNd = [_by_head(part, sizes.head) for part in _three(parts, sizes)]
        return _turned(split_BHNd, self._turns.kept[layer], sizes)


def _what_it_read(args: Any, kwargs: Any, _: Any) -> Any:
    return args[0] if args else kwargs["hidden_states"]


def _what_it_wrote(args: Any, kwargs: Any, output: Any) -> Any:
    return output if isinstance(output, Tensor) else output[0]


def _where_it_is(_: Any, kwargs: Any, __: Any) -> Any:
    return kwargs["position_embeddings"]


def _layers(network: Network, family: Family) -> Sequence[nn.Module]:
    """The layers in their order; an ALBERT's, which are one, once."""
    body = network.inner.base_model
    if family.layer is None:
        assert family.only_layer is not None
        return [_inside(body, family.only_layer.removeprefix(family.body))]
    prefix = family.layer.removeprefix(family.body)
    return [_inside(body, f"{prefix}{number}") for number in range(depth(network.config))]


def _inside(module: nn.Module, name: str) -> nn.Module:
    try:
        return module.get_submodule(name)
    except AttributeError as error:
        raise BadModel(
            f"a {type(module).__name__} has no {name}: what passes through its layers cannot be "
            "compared; leave hidden, attention and relations out of the objective"
        ) from error


def _check_depth(wanted: LayerSelection, layers: int) -> None:
    outside = [layer for layer in wanted.hidden | wanted.projected if layer >= layers]
    if outside:
        raise BadSpec(f"layer {max(outside)} is compared, the network has layers 0 to {layers - 1}")


def _check_all(passed: _Passed, layers: int, what: str) -> None:
    # never a silent zero: an objective over nothing would be one
    if len(passed.seen) != layers:
        raise BadModel(
            f"hooks saw {len(passed.seen)} {what} in one answer, the network has {layers}: this "
            "architecture is not built as expected; leave hidden, attention and relations out of "
            "the objective"
        )


def _three(parts: list[Tensor], sizes: Sizes) -> list[Tensor]:
    """Queries, keys and values, also where one layer makes all of them."""
    return list(torch.split(parts[0], sizes.width, dim=-1)) if len(parts) == 1 else parts


def _by_head(joined_BNW: Tensor, columns: int) -> Tensor:
    size, length, _ = joined_BNW.shape
    return joined_BNW.view(size, length, -1, columns).transpose(1, 2)


def _turned(parts_BHNd: list[Tensor], turn: tuple[Tensor, Tensor], sizes: Sizes) -> Projected:
    """Queries and keys turned by their positions; a head that several read is there for each."""
    queries_BHNd, keys_BHNd, values_BHNd = parts_BHNd
    turning: Any = apply_rotary_pos_emb
    queries_BHNd, keys_BHNd = turning(queries_BHNd, keys_BHNd, *turn, unsqueeze_dim=1)
    shared_BHNd = (one.repeat_interleave(sizes.sharing, dim=1) for one in (keys_BHNd, values_BHNd))
    return Projected(*(_side_by_side(one) for one in (queries_BHNd, *shared_BHNd)))


def _side_by_side(split_BHNd: Tensor) -> Tensor:
    return split_BHNd.transpose(1, 2).flatten(2)


def _reach(config: Mapping[str, Any]) -> dict[int, int]:
    if config["model_type"] != "modernbert":
        return {}
    kinds = attention_kinds(config)
    near = int(config.get("local_attention", 128)) // 2
    return {layer: near for layer, kind in enumerate(kinds) if kind == "sliding_attention"}
