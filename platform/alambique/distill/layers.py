"""The layers of a deeper network that a student starts from."""

from typing import Literal

from alambique.spec.errors import BadSpec


def kept_layers(
    keep: Literal["uniform", "first", "last"] | tuple[int, ...], layers: int, of: int
) -> tuple[int, ...]:
    """Return the layers to keep, ascending, counted from 0.

    uniform: evenly spaced and always the first, which reads the embeddings and in ModernBERT is
    built unlike the others. first: as Speedy Gonzales truncates (Cañete and Bravo-Marquez, 2023).

    >>> kept_layers("uniform", 3, 6), kept_layers("first", 2, 6), kept_layers("last", 2, 6)
    ((0, 2, 4), (0, 1), (4, 5))

    Args:
        keep: how to choose them, or the layers themselves, which are checked.
        layers: how many the student has.
        of: how many the deeper network has.

    Raises:
        BadSpec: the network has fewer layers, or a list of them is not ascending or not as long.
    """
    if layers > of:
        raise BadSpec(
            f"a student of {layers} layers cannot be cut from a model of {of}: give at most {of}, "
            "or let it start from: random"
        )
    match keep:
        case "uniform":
            return tuple(i * of // layers for i in range(layers))
        case "first":
            return tuple(range(layers))
        case "last":
            return tuple(range(of - layers, of))
        case _:
            _check_listed(keep, layers, of)
            return keep


def _check_listed(keep: tuple[int, ...], layers: int, of: int) -> None:
    if len(keep) != layers:
        raise BadSpec(f"keep lists {len(keep)} layers, the student has {layers}: give one for each")
    if list(keep) != sorted(set(keep)):
        raise BadSpec(f"keep lists the layers {list(keep)}: give each once, in ascending order")
    if outside := [layer for layer in keep if not 0 <= layer < of]:
        raise BadSpec(f"keep lists layers {outside}, the model has layers 0 to {of - 1}")
