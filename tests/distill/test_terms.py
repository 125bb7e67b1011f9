"""Every term that compares layers is in the table, and says of itself what the platform asks."""

from typing import Any, get_args, get_type_hints

import pytest
import torch
from torch import Tensor

from alambique.distill.activations import Activations, LayerOutputs, QueryKeyValue
from alambique.distill.objective import LossNormalizers, objective_loss
from alambique.distill.prediction_rows import empty_rows
from alambique.distill.terms.comparison import EMBEDDINGS, LayerSelection, NetworkShape
from alambique.distill.terms.table import (
    COMPARISONS,
    awaits_map,
    comparison_of,
    select_layers,
    with_chosen_map,
)
from alambique.spec.errors import BadSpec
from alambique.spec.faults import BadFields
from alambique.spec.objective import (
    Attention,
    Gold,
    Hidden,
    IntermediateLoss,
    Relations,
    Term,
    intermediate_kinds,
)

KINDS: tuple[type[IntermediateLoss], ...] = get_args(IntermediateLoss)
UNITS = set(LossNormalizers.__dataclass_fields__)
DEPTHS = 2, 4
BOTH = NetworkShape("bert", 4, 16, 2, dot_product_scores=True)


def test_the_table_has_a_line_for_every_term_of_the_union() -> None:
    assert COMPARISONS.keys() == set(KINDS)
    assert intermediate_kinds() == tuple(kind().kind for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_line_pairs_a_spec_with_its_own_comparison(kind: type[IntermediateLoss]) -> None:
    comparison: Any = COMPARISONS[kind]
    assert get_type_hints(comparison)["term"] is kind
    assert comparison_of(kind()) == comparison(kind())


def activations(layers: int, seed: int) -> Activations:
    """Of a network 16 wide, with two heads: for two windows of five pieces."""
    generator = torch.Generator().manual_seed(seed)

    def state_BND() -> Tensor:
        return torch.randn(2, 5, 16, generator=generator)

    return Activations(
        hidden={layer: state_BND() for layer in (EMBEDDINGS, *range(layers))},
        qkv={
            layer: QueryKeyValue(state_BND(), state_BND(), state_BND()) for layer in range(layers)
        },
        layers=layers,
        heads=2,
    )


def layer_outputs(student: Activations, teacher: Activations, weight_B: Tensor) -> LayerOutputs:
    """The first window has two pieces of padding."""
    real_BN = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    even = torch.full((student.layers, teacher.layers), 1 / teacher.layers)
    return LayerOutputs(
        real_BN=real_BN,
        weight_B=weight_B,
        student=student,
        projected=student.hidden,
        teacher=teacher,
        layer_weights={kind().label: even for kind in KINDS},
        teacher_output_BNC=torch.zeros(2, 5, 0),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_term_needs_no_other_layers_than_it_selects(kind: type[IntermediateLoss]) -> None:
    """And all of them are the networks' own: hidden states, or queries, keys and values."""
    term = kind()
    comparison = comparison_of(term)
    student, teacher = activations(2, seed=1), activations(4, seed=2)
    picked_student, picked_teacher = (
        Activations(
            hidden={layer: network.hidden[layer] for layer in selection.hidden},
            qkv={layer: network.qkv[layer] for layer in selection.qkv},
            layers=network.layers,
            heads=network.heads,
        )
        for network, selection in zip(
            (student, teacher), comparison.select_layers(*DEPTHS), strict=True
        )
    )
    weight_B = torch.ones(2)
    every, needed = (
        objective_loss(empty_rows(torch.zeros(2, 5, 0)), [term], outputs).total
        for outputs in (
            layer_outputs(student, teacher, weight_B),
            layer_outputs(picked_student, picked_teacher, weight_B),
        )
    )
    assert torch.equal(every, needed)
    assert every > 0
    assert comparison.unit in UNITS


@pytest.mark.parametrize("kind", KINDS)
def test_a_term_is_the_sum_over_windows_by_their_weight(kind: type[IntermediateLoss]) -> None:
    student, teacher = activations(2, seed=3), activations(4, seed=4)
    losses = [
        objective_loss(
            empty_rows(torch.zeros(2, 5, 0)),
            [kind()],
            layer_outputs(student, teacher, torch.tensor(weights)),
        ).total
        for weights in ([1.0, 0.0], [0.0, 1.0], [2.0, 0.5])
    ]
    torch.testing.assert_close(2 * losses[0] + 0.5 * losses[1], losses[2])


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_one_shape_can_be_compared_by_every_term(kind: type[IntermediateLoss]) -> None:
    comparison_of(kind()).check_networks(BOTH, BOTH)


@pytest.mark.parametrize(
    ("term", "path"),
    [
        (Hidden(mapping=((0, 4),)), "mapping"),
        (Hidden(projection="none"), "projection"),
        (Attention(mapping="3k"), "mapping"),
        (Attention(), "heads"),
        (Relations(layer=4), "layer"),
        (Relations(heads=3), "heads"),
    ],
)
def test_what_cannot_be_compared_names_the_field_of_the_term(
    term: IntermediateLoss, path: str
) -> None:
    student = NetworkShape("bert", 2, 8, 4, dot_product_scores=True)
    with pytest.raises(BadSpec) as error:
        comparison_of(term).check_networks(student, BOTH)
    cause = error.value.__cause__
    assert isinstance(cause, BadFields)
    assert [bad.path for bad in cause.fields] == [path]


def test_what_terms_select_together_is_the_union() -> None:
    terms: list[IntermediateLoss] = [
        Hidden(mapping="last", embeddings=False),
        Attention(mapping="first"),
        Relations(),
    ]
    student, teacher = select_layers(terms, *DEPTHS)
    assert student == LayerSelection(hidden=frozenset({0, 1}), qkv=frozenset({0, 1}))
    assert teacher == LayerSelection(hidden=frozenset({2, 3}), qkv=frozenset({0, 1, 3}))
    assert select_layers([], *DEPTHS) == (LayerSelection(), LayerSelection())


def test_only_a_map_that_is_awaited_is_replaced() -> None:
    terms: list[Term] = [Gold(), Relations(), Hidden(), Attention(mapping="similar")]
    assert [awaits_map(term) for term in terms] == [False, False, False, True]
    *same, chosen = [with_chosen_map(term, ((0, 3),)) for term in terms]
    assert same == terms[:-1]
    assert chosen == Attention(mapping=((0, 3),))


def test_a_map_that_is_awaited_selects_nothing_yet() -> None:
    with pytest.raises(BadSpec, match="similar is chosen from both networks before a training"):
        select_layers([Hidden(mapping="similar")], *DEPTHS)
