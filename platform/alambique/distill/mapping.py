"""Which layer of a teacher each layer of a student is compared with."""

from typing import Literal

from alambique.spec.errors import BadSpec

Layers = tuple[tuple[int, int], ...]
"""(layer of the student, layer of the teacher), both counted from 0: the output of that layer."""


def pairs(
    name: Literal["uniform", "3k", "first", "last", "skip"] | Layers, layers: int, of: int
) -> Layers:
    """The layers of a student of `layers` and of a teacher of `of` that are compared.

    uniform: evenly spaced, the last with the last (TinyBERT; Jiao et al., 2020, §3.1; where it
    does not divide, rounded). skip: uniform without the student's last layer, whose output the
    logits teach (PKD-Skip; Sun et al., 2019, §3.2). 3k: every third of the teacher's, TinyBERT's
    map from 12 layers to 4, by which the last of a deeper teacher's are never met. first, last:
    the teacher's first or last so many.

    TinyBERT's code compares attention i with the teacher's i·k + k - 1, and hidden state j with
    j·k, state 0 being the embeddings. That is one rule: state j is the output of layer j - 1, and
    the output of layer i is compared with that of i·k + k - 1. The embeddings of both, compared
    with each other, are no layer's output and in no map.

    >>> pairs("uniform", 3, 6), pairs("uniform", 2, 5)
    (((0, 1), (1, 3), (2, 5)), ((0, 2), (1, 4)))
    >>> pairs("skip", 3, 6), pairs("3k", 2, 7)
    (((0, 1), (1, 3)), ((0, 2), (1, 5)))
    >>> pairs("first", 2, 6), pairs("last", 2, 6), pairs(((1, 5),), 2, 6)
    (((0, 0), (1, 1)), ((0, 4), (1, 5)), ((1, 5),))

    Raises:
        BadSpec: the teacher is not that deep, no pair is left, or a list of them names a layer
            that is not there, or the student's not in ascending order.
    """
    match name:
        case "uniform":
            return tuple((i, _evenly(i, layers, of)) for i in range(layers))
        case "skip":
            return _skipped(layers, of)
        case "3k":
            _check_depth(name, 3 * layers, layers, of)
            return tuple((i, 3 * i + 2) for i in range(layers))
        case "first":
            _check_depth(name, layers, layers, of)
            return tuple((i, i) for i in range(layers))
        case "last":
            _check_depth(name, layers, layers, of)
            return tuple((i, of - layers + i) for i in range(layers))
        case _:
            return _checked(name, layers, of)


def _evenly(i: int, layers: int, of: int) -> int:
    """Of layer number i + 1, that number times of / layers, rounded half up, at least 1."""
    return max(1, (2 * (i + 1) * of + layers) // (2 * layers)) - 1


def _skipped(layers: int, of: int) -> Layers:
    if layers < 2:
        raise BadSpec(
            "the layer map 'skip' leaves out the student's last layer, and the student has "
            f"{layers}: give a student of at least 2 layers, or the map 'uniform'"
        )
    return pairs("uniform", layers, of)[:-1]


def _check_depth(name: str, needed: int, layers: int, of: int) -> None:
    if needed > of:
        raise BadSpec(
            f"the layer map {name!r} of a student of {layers} layers needs a teacher of at least "
            f"{needed}, this one has {of}: give the map 'uniform', or a shallower student"
        )


def _checked(listed: Layers, layers: int, of: int) -> Layers:
    ours = [i for i, _ in listed]
    if not ours:
        raise BadSpec("the layer map lists no pair: give at least one, or 'uniform'")
    if ours != sorted(set(ours)):
        raise BadSpec(
            f"the layer map lists the student's layers {ours}: give each once, in ascending order"
        )
    if outside := [pair for pair in listed if not (0 <= pair[0] < layers and 0 <= pair[1] < of)]:
        raise BadSpec(
            f"the layer map lists the pairs {outside}, and the student has layers 0 to "
            f"{layers - 1}, the teacher 0 to {of - 1}: give pairs of those, or 'uniform'"
        )
    return listed
