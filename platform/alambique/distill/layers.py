"""Which layers of a deeper network a student starts from."""

from typing import Literal

from alambique.spec.errors import BadSpec


def kept(
    keep: Literal["uniform", "first", "last"] | tuple[int, ...], layers: int, of: int
) -> tuple[int, ...]:
    """The layers to keep, ascending, the first being 0.

    uniform: evenly spaced and always the first, which reads the embeddings and in ModernBERT is
    built unlike the others. first: as Speedy Gonzales truncates (Cañete and Bravo-Marquez, 2023).

    >>> kept("uniform", 3, 6), kept("first", 2, 6), kept("last", 2, 6), kept((0, 5), 2, 6)
    ((0, 2, 4), (0, 1), (4, 5), (0, 5))

    Raises:
        BadSpec: there are not so many layers, or a list of them is not ascending or not as long.
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
            return _checked(keep, layers, of)


def _checked(keep: tuple[int, ...], layers: int, of: int) -> tuple[int, ...]:
    if len(keep) != layers:
        raise BadSpec(f"keep lists {len(keep)} layers, the student has {layers}: give one for each")
    if list(keep) != sorted(set(keep)):
        raise BadSpec(f"keep lists the layers {list(keep)}: give each once, in ascending order")
    if outside := [layer for layer in keep if not 0 <= layer < of]:
        raise BadSpec(f"keep lists layers {outside}, the model has layers 0 to {of - 1}")
    return keep
