"""The terms that compare what is inside the networks: layers of a student with its teacher's.

Shapes: B windows, N pieces, D width, H heads, S and L layers of student and teacher.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, assert_never

import torch
from torch import Tensor

from alambique.distill import attention, hidden, published
from alambique.distill.activations import Activations, Projected
from alambique.distill.layer_selection import EMBEDDINGS, related
from alambique.distill.mapping import pairs
from alambique.distill.relations import relation_divergence
from alambique.spec.objective import Attention, Hidden, IntermediateLoss, Relations

Unit = Literal["windows", "tokens", "pairs"]
"""What the values of a term are a mean over."""
Measured = tuple[Tensor, Tensor]
"""The values of the windows and how much each counts, (B,) both."""


@dataclass(frozen=True, slots=True)
class LayerOutputs:
    """What both networks passed on for the same windows."""

    real_BN: Tensor
    """bool: pieces that are no padding."""
    weight_B: Tensor
    """Of each window; 0: it is padding."""
    student: Activations
    """Its hidden states as wide as the teacher's."""
    teacher: Activations
    mixtures: Mapping[str, Tensor]
    """(S, L) by what the term is called: how much each layer of the teacher counts, where that is
    learnt."""
    answer_BNC: Tensor
    """What the teacher answered."""


def compared(term: IntermediateLoss, inside: LayerOutputs) -> tuple[Tensor, Unit]:
    """The sum over windows, each by its weight, and what it is to be divided by."""
    match term:
        case Hidden():
            parts = [_hidden(term, *pair, inside) for pair in _hidden_pairs(term, inside)]
            unit: Unit = "tokens" if _by_tokens(term) else "windows"
        case Attention():
            parts = [_attention(term, *pair, inside) for pair in _attention_pairs(term, inside)]
            unit = "pairs" if term.reduction == "textbrewer" else "windows"
        case Relations():
            parts = [_related_pair(term, kind, inside) for kind in term.pairs]
            unit = "windows"
        case _:
            assert_never(term)
    sums = [(inside.weight_B * count_B * value_B).sum() for value_B, count_B in parts]
    return torch.stack(sums).sum(), unit


def _by_tokens(term: Hidden) -> bool:
    return term.reduction == "textbrewer" and term.loss != "pkd"


def _hidden_pairs(term: Hidden, inside: LayerOutputs) -> list[tuple[Tensor, Tensor]]:
    ours, theirs = inside.student.hidden, inside.teacher.hidden
    met = _meeting(term, inside, ours.__getitem__, theirs.__getitem__)
    return [*([(ours[EMBEDDINGS], theirs[EMBEDDINGS])] if term.embeddings else []), *met]


def _meeting(
    term: Hidden | Attention,
    inside: LayerOutputs,
    ours: Callable[[int], Tensor],
    theirs: Callable[[int], Tensor],
) -> list[tuple[Tensor, Tensor]]:
    """What each layer of the student is compared with, by the map of the term."""
    layers, of = inside.student.layers, inside.teacher.layers
    if term.mapping != "learned":
        assert term.mapping != "similar"  # `wanted` has refused it
        return [(ours(i), theirs(j)) for i, j in pairs(term.mapping, layers, of)]
    stacked = torch.stack([theirs(layer) for layer in range(of)])
    mixed = torch.tensordot(inside.mixtures[term.label].to(stacked.dtype), stacked, dims=1)
    return [(ours(i), mixed[i]) for i in range(layers)]


def _hidden(term: Hidden, ours: Tensor, theirs: Tensor, inside: LayerOutputs) -> Measured:
    real_BN = inside.real_BN
    match term.loss, term.reduction:
        case "mse", "tinybert":
            return _each(published.tinybert_hidden(ours, theirs))
        case "mse", "textbrewer":
            return published.textbrewer_squared(ours, theirs, real_BN)
        case "mse", _:
            return _each(hidden.squared(ours, theirs, real_BN))
        case "cosine", "textbrewer":
            return published.textbrewer_cosine(ours, theirs, real_BN)
        case "cosine", _:
            return _each(hidden.cosine(ours, theirs, real_BN))
        case _:
            return _each(hidden.patient(ours, theirs, real_BN))


def _each(values_B: Tensor) -> Measured:
    return values_B, torch.ones_like(values_B)


def _attention_pairs(term: Attention, inside: LayerOutputs) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Scores of the student, scores of the teacher, and the pairs of tokens that both see."""
    met = _meeting(
        term, inside, partial(_scores, term, inside.student), partial(_scores, term, inside.teacher)
    )
    return [(*pair, seen_BNN) for pair, seen_BNN in zip(met, _seen(term, inside), strict=True)]


def _scores(term: Attention, states: Activations, layer: int) -> Tensor:
    one = states.projected[layer]
    scores_BHNN = attention.attention_scores(
        _by_head(one.queries_BND, states.heads), _by_head(one.keys_BND, states.heads)
    )
    return attention.averaged_heads(scores_BHNN) if term.heads == "mean" else scores_BHNN


def _by_head(all_BND: Tensor, heads: int) -> Tensor:
    return all_BND.reshape(*all_BND.shape[:2], heads, -1).transpose(1, 2)


def _seen(term: Attention, inside: LayerOutputs) -> list[Tensor]:
    """For each layer that is compared, the pairs of real tokens within reach of both layers."""
    layers, of = inside.student.layers, inside.teacher.layers
    if term.mapping == "learned":
        met = [(i, tuple(range(of))) for i in range(layers)]
    else:
        assert term.mapping != "similar"
        met = [(i, (j,)) for i, j in pairs(term.mapping, layers, of)]
    far = inside.real_BN.shape[1]
    ours, theirs = inside.student.reach, inside.teacher.reach
    reaches = [min(ours.get(i, far), *(theirs.get(j, far) for j in those)) for i, those in met]
    return [_within(inside.real_BN, reach) for reach in reaches]


def _within(real_BN: Tensor, reach: int) -> Tensor:
    places_N = torch.arange(real_BN.shape[1], device=real_BN.device)
    near_NN = (places_N[:, None] - places_N).abs() <= reach
    return attention.real_pairs(real_BN) & near_NN


def _attention(
    term: Attention, ours: Tensor, theirs: Tensor, seen_BNN: Tensor, inside: LayerOutputs
) -> Measured:
    match term.loss, term.reduction:
        case "score-mse", "tinybert":
            return _each(published.tinybert_attention(ours, theirs, inside.real_BN))
        case "score-mse", "textbrewer":
            return published.textbrewer_attention_squared(ours, theirs, seen_BNN)
        case "score-mse", _:
            return _each(attention.squared_scores(ours, theirs, seen_BNN))
        case "kl", _:
            return _each(attention.divergence(ours, theirs, seen_BNN))
        case _:
            return _each(attention.squared_probabilities(ours, theirs, seen_BNN))


def _related_pair(term: Relations, kind: str, inside: LayerOutputs) -> Measured:
    ours = inside.student.projected[inside.student.layers - 1]
    theirs = inside.teacher.projected[related(term, inside.teacher.layers)]
    heads = term.heads or inside.teacher.heads
    return _each(
        relation_divergence(_sides(kind, ours), _sides(kind, theirs), inside.real_BN, heads=heads)
    )


def _sides(kind: str, one: Projected) -> tuple[Tensor, Tensor]:
    """The two that a relation multiplies: "qk" is queries with keys."""
    named = {"q": one.queries_BND, "k": one.keys_BND, "v": one.values_BND}
    return named[kind[0]], named[kind[1]]
