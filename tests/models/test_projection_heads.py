"""What is trained beside a student: where projections and layer maps that are learnt begin."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alambique.models.projection_heads import LearnedLayerMap, ProjectionHeads
from alambique.spec.objective import Attention, Hidden


@pytest.mark.parametrize(
    ("layers", "of", "begins"),
    [
        (2, 4, [[1, 4, 1, 1], [1, 1, 1, 4]]),  # sevenths
        (3, 3, [[3, 1, 1], [1, 3, 1], [1, 1, 3]]),  # fifths
        (1, 2, [[1, 2]]),  # thirds
    ],
)
def test_a_learned_map_begins_at_the_map_uniform(
    layers: int, of: int, begins: list[list[int]]
) -> None:
    """The layer of `uniform` counts as much as the teacher has layers, each other one once."""
    weights_SL = torch.tensor(begins, dtype=torch.float32)
    expected_SL = weights_SL / weights_SL.sum(1, keepdim=True)
    torch.testing.assert_close(LearnedLayerMap(layers, of)().detach(), expected_SL)


@given(st.integers(1, 12), st.integers(2, 24))
def test_a_learned_map_begins_with_about_half_on_one_layer(layers: int, of: int) -> None:
    weights_SL = LearnedLayerMap(layers, of)().detach()
    torch.testing.assert_close(weights_SL.sum(1), torch.ones(layers))
    most_S = weights_SL.max(1).values
    torch.testing.assert_close(most_S, torch.full((layers,), of / (2 * of - 1)))
    # those are over half; all others have an equal share of the rest
    rest_SL = weights_SL.sort(1).values[:, :-1]
    torch.testing.assert_close(rest_SL, torch.full_like(rest_SL, 1 / (2 * of - 1)))


def test_each_term_that_learns_its_map_has_one_of_its_own() -> None:
    terms = (
        Hidden(mapping="learned"),
        Hidden(mapping="learned", loss="cosine", name="far"),
        Attention(mapping="learned"),
        Attention(name="fixed"),
    )
    heads = ProjectionHeads(terms, widths=(4, 4), depths=(2, 4))
    maps = heads.layer_weights()
    assert set(maps) == {"hidden", "far", "attention"}
    for weights_SL in maps.values():
        torch.testing.assert_close(weights_SL, LearnedLayerMap(2, 4)())
    assert len({id(weight) for weight in heads.layer_maps.parameters()}) == 3


@pytest.mark.parametrize("widths", [(4, 4), (3, 5)])
def test_a_projection_begins_as_the_identity(widths: tuple[int, int]) -> None:
    """Where the teacher is wider, its further dimensions begin at 0."""
    heads = ProjectionHeads((Hidden(projection="shared"),), widths=widths, depths=(2, 4))
    state_BND = torch.randn(2, 3, widths[0], generator=torch.Generator().manual_seed(0))
    expected_BNE = torch.zeros(2, 3, widths[1])
    expected_BNE[..., : widths[0]] = state_BND
    for projected_BNE in heads.project({0: state_BND, 1: state_BND}).values():
        torch.testing.assert_close(projected_BNE.detach(), expected_BNE)
