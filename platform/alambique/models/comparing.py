"""Whether terms on layers can compare two networks, told from their configs; without torch."""

from collections.abc import Iterable, Sequence
from math import gcd

from alambique.distill.layer_selection import select_layers
from alambique.models.configs import Config, depth, sizes_of
from alambique.models.families import family_of
from alambique.spec.errors import BadSpec
from alambique.spec.faults import BadField, prefix_paths, refuse
from alambique.spec.objective import Attention, Hidden, IntermediateLoss, Relations


def check_comparable(terms: Sequence[IntermediateLoss], student: Config, teacher: Config) -> None:
    """Nothing, where the terms can compare a student with a teacher.

    Raises:
        BadSpec: a map names layers that are not there; widths or heads do not fit. Its cause names
            the field of the term.
        BadModel: a config does not say its sizes.
    """
    for term in terms:
        _check_layers(term, depth(student), depth(teacher))
        match term:
            case Hidden():
                with prefix_paths("projection"):
                    _check_widths(term, sizes_of(student).width, sizes_of(teacher).width)
            case Attention():
                _check_attention(term, student, teacher)
            case Relations():
                with prefix_paths("heads"):
                    _check_relations(term, student, teacher)


def _check_layers(term: IntermediateLoss, layers: int, of: int) -> None:
    chosen_later = not isinstance(term, Relations) and term.mapping == "similar"
    if not chosen_later:  # between layers that are there
        with prefix_paths("layer" if isinstance(term, Relations) else "mapping"):
            select_layers([term], layers, of)


def _check_widths(term: Hidden, ours: int, theirs: int) -> None:
    if term.projection == "none" and ours != theirs:
        raise BadSpec(
            f"hidden states of the student are {ours} wide, the teacher's {theirs}, and projection "
            "is none: give projection: shared, or per-layer"
        )


def _check_attention(term: Attention, *configs: Config) -> None:
    for config in configs:
        if not family_of(config).scores:
            raise BadSpec(
                f"attention of a {config['model_type']} has parts for distances beside queries and "
                "keys, and is not compared: take the term relations, or hidden"
            )
    ours, theirs = (sizes_of(config).heads for config in configs)
    if term.heads == "each" and ours != theirs:
        why = (
            f"the student has {ours} attention heads, the teacher {theirs}, and attention is "
            "compared head by head: give the student as many (student.heads), compare the mean "
            "(heads: mean), or take the term relations, which splits both widths anew"
        )
        refuse([BadField("heads", None, why)])


def _check_relations(term: Relations, student: Config, teacher: Config) -> None:
    heads = term.heads or sizes_of(teacher).heads
    widths = sizes_of(student).width, sizes_of(teacher).width
    if any(width % heads for width in widths):
        raise BadSpec(
            f"{heads} relation heads do not divide the widths {widths[0]} of the student and "
            f"{widths[1]} of the teacher: give heads: one of {_listed(_dividing(gcd(*widths)))}"
        )


def _dividing(number: int) -> list[int]:
    return [one for one in range(1, number + 1) if number % one == 0]


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
