"""Of which layers the terms of an objective compare something; without torch."""

from collections.abc import Iterable
from dataclasses import dataclass

from alambique.distill.mapping import pairs
from alambique.spec.errors import BadSpec
from alambique.spec.objective import Attention, IntermediateLoss, Mapping, Relations

EMBEDDINGS = -1
"""The "layer" whose state is what the first layer reads; layers are counted from 0."""


@dataclass(frozen=True, slots=True)
class LayerSelection:
    """Layers of which something is compared."""

    hidden: frozenset[int] = frozenset()
    """Their hidden states."""
    projected: frozenset[int] = frozenset()
    """Their queries, keys and values."""


def select_layers(
    terms: Iterable[IntermediateLoss], layers: int, of: int
) -> tuple[LayerSelection, LayerSelection]:
    """What is compared of a student of so many layers, and of a teacher of so many.

    Raises:
        BadSpec: a term names layers that are not there, or a map that is not chosen yet.
    """
    each = [_wanted(term, layers, of) for term in terms]
    student, teacher = ([both[side] for both in each] for side in (0, 1))
    return _together(student), _together(teacher)


def related(term: Relations, of: int) -> int:
    """The layer of a teacher of so many whose relations are compared.

    Raises:
        BadSpec: it is not there.
    """
    if term.layer is None:
        return of - 1
    if term.layer >= of:
        raise BadSpec(
            f"relations of layer {term.layer}, and the teacher has layers 0 to {of - 1}: give one "
            "of those, or leave layer out for the last"
        )
    return term.layer


def _together(selections: Iterable[LayerSelection]) -> LayerSelection:
    each = list(selections)
    return LayerSelection(
        hidden=frozenset().union(*(one.hidden for one in each)),
        projected=frozenset().union(*(one.projected for one in each)),
    )


def _wanted(term: IntermediateLoss, layers: int, of: int) -> tuple[LayerSelection, LayerSelection]:
    if isinstance(term, Relations):
        ours, theirs = frozenset({layers - 1}), frozenset({related(term, of)})
    else:
        ours, theirs = _mapped(term.mapping, layers, of)
    if isinstance(term, Attention | Relations):
        return LayerSelection(projected=ours), LayerSelection(projected=theirs)
    embeddings = frozenset({EMBEDDINGS} if term.embeddings else ())
    return LayerSelection(hidden=ours | embeddings), LayerSelection(hidden=theirs | embeddings)


def _mapped(mapping: Mapping, layers: int, of: int) -> tuple[frozenset[int], frozenset[int]]:
    match mapping:
        case "learned":
            return frozenset(range(layers)), frozenset(range(of))
        case "similar":
            raise BadSpec(
                "mapping similar is chosen from both networks before a training: it is no map yet"
            )
        case _:
            met = pairs(mapping, layers, of)
            return frozenset(ours for ours, _ in met), frozenset(theirs for _, theirs in met)
