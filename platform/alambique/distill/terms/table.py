"""The table of the terms that compare layers, and what is asked of several of them at once."""

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

from alambique.distill.terms.attention_maps import AttentionComparison
from alambique.distill.terms.comparison import LayerComparison, LayerSelection
from alambique.distill.terms.hidden_states import HiddenComparison
from alambique.distill.terms.token_relations import RelationsComparison
from alambique.spec.objective import (
    Attention,
    Hidden,
    IntermediateLoss,
    ListedMapping,
    NamedMapping,
    Relations,
    Term,
)

COMPARISONS: Mapping[type[IntermediateLoss], Callable[[Any], LayerComparison]] = {
    Hidden: HiddenComparison,
    Attention: AttentionComparison,
    Relations: RelationsComparison,
}
"""How each kind of term compares layers. A new kind is its spec, its module, and a line here."""


def comparison_of(term: IntermediateLoss) -> LayerComparison:
    """Return how a term compares layers."""
    return COMPARISONS[type(term)](term)


def select_layers(
    terms: Iterable[IntermediateLoss], student_layers: int, teacher_layers: int
) -> tuple[LayerSelection, LayerSelection]:
    """Return the layers that terms compare together, of the student and of the teacher.

    Args:
        terms: of an objective.
        student_layers: how many the student has.
        teacher_layers: how many the teacher has.

    Raises:
        BadSpec: a term names layers that are not there, or a map that is not chosen yet.
    """
    selected = [comparison_of(term).select_layers(student_layers, teacher_layers) for term in terms]
    return (
        reduce(or_, (student for student, _ in selected), LayerSelection()),
        reduce(or_, (teacher for _, teacher in selected), LayerSelection()),
    )


def awaits_map(term: Term) -> bool:
    """Return whether a term has a layer map that is chosen from both networks before a training."""
    return isinstance(term, IntermediateLoss) and comparison_of(term).layer_map == "similar"


def with_chosen_map(term: Term, mapping: NamedMapping | ListedMapping) -> Term:
    """Return a term that awaits its map with a map; any other term as it is."""
    return term.model_copy(update={"mapping": mapping}) if awaits_map(term) else term
