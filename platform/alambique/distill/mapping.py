"""The layers of a teacher that the layers of a student are compared with."""

from alambique.spec.errors import BadSpec
from alambique.spec.objective import LayerMapping, ListedMapping, NamedMapping


def compared_layers(
    mapping: LayerMapping, student_layers: int, teacher_layers: int
) -> list[tuple[int, tuple[int, ...]]]:
    """Return the layers of the student that a map compares, each with its layers of the teacher.

    That is one layer of the teacher; with a learned map it is all of them, which are mixed.

    >>> compared_layers("uniform", 2, 4), compared_layers("learned", 1, 3)
    ([(0, (1,)), (1, (3,))], [(0, (0, 1, 2))])

    Args:
        mapping: of a term.
        student_layers: how many the student has.
        teacher_layers: how many the teacher has.

    Raises:
        BadSpec: the map names layers that are not there, or is not chosen yet.
    """
    match mapping:
        case "learned":
            return [(i, tuple(range(teacher_layers))) for i in range(student_layers)]
        case "similar":
            raise BadSpec(
                "mapping similar is chosen from both networks before a training: it is no map yet"
            )
        case _:
            return [(i, (j,)) for i, j in layer_pairs(mapping, student_layers, teacher_layers)]


def layer_pairs(
    mapping: NamedMapping | ListedMapping, student_layers: int, teacher_layers: int
) -> ListedMapping:
    """Return the pairs (layer of the student, layer of the teacher) whose outputs are compared.

    uniform: evenly spaced, the last with the last (TinyBERT; Jiao et al., 2020, §3.1; where it
    does not divide, rounded). skip: uniform without the student's last layer, whose output the
    logits teach (PKD-Skip; Sun et al., 2019, §3.2). 3k: every third of the teacher's, TinyBERT's
    map from 12 layers to 4, by which the last of a deeper teacher's are never met. first, last:
    the first or last layers of the teacher, as many as the student has.

    TinyBERT's code compares attention i with the teacher's i·k + k - 1, and hidden state j with
    j·k, state 0 being the embeddings. That is one rule: state j is the output of layer j - 1, and
    the output of layer i is compared with that of i·k + k - 1. The embeddings of both, compared
    with each other, are no layer's output and in no map.

    >>> layer_pairs("uniform", 3, 6), layer_pairs("uniform", 2, 5)
    (((0, 1), (1, 3), (2, 5)), ((0, 2), (1, 4)))
    >>> layer_pairs("skip", 3, 6), layer_pairs("3k", 2, 7)
    (((0, 1), (1, 3)), ((0, 2), (1, 5)))
    >>> layer_pairs("first", 2, 6), layer_pairs("last", 2, 6), layer_pairs(((1, 5),), 2, 6)
    (((0, 0), (1, 1)), ((0, 4), (1, 5)), ((1, 5),))

    Args:
        mapping: a name, or the pairs themselves, which are checked.
        student_layers: how many the student has.
        teacher_layers: how many the teacher has.

    Raises:
        BadSpec: the teacher is not that deep, no pair is left, or a list of them names a layer
            that is not there, or the student's not in ascending order.
    """
    match mapping:
        case "uniform":
            return tuple(
                (i, _uniform(i, student_layers, teacher_layers)) for i in range(student_layers)
            )
        case "skip":
            return _skip(student_layers, teacher_layers)
        case "3k":
            _check_depth(mapping, 3 * student_layers, student_layers, teacher_layers)
            return tuple((i, 3 * i + 2) for i in range(student_layers))
        case "first":
            _check_depth(mapping, student_layers, student_layers, teacher_layers)
            return tuple((i, i) for i in range(student_layers))
        case "last":
            _check_depth(mapping, student_layers, student_layers, teacher_layers)
            return tuple((i, teacher_layers - student_layers + i) for i in range(student_layers))
        case _:
            _check_pairs(mapping, student_layers, teacher_layers)
            return mapping


def _uniform(i: int, student_layers: int, teacher_layers: int) -> int:
    """Return (i + 1) · teacher_layers / student_layers, rounded half up, at least 1, less 1."""
    rounded = (2 * (i + 1) * teacher_layers + student_layers) // (2 * student_layers)
    return max(1, rounded) - 1


def _skip(student_layers: int, teacher_layers: int) -> ListedMapping:
    if student_layers < 2:
        raise BadSpec(
            "the layer map 'skip' leaves out the student's last layer, and the student has "
            f"{student_layers}: give a student of at least 2 layers, or the map 'uniform'"
        )
    return layer_pairs("uniform", student_layers, teacher_layers)[:-1]


def _check_depth(name: str, needed: int, student_layers: int, teacher_layers: int) -> None:
    if needed > teacher_layers:
        raise BadSpec(
            f"the layer map {name!r} of a student of {student_layers} layers needs a teacher of at "
            f"least {needed}, this one has {teacher_layers}: give the map 'uniform', or a "
            "shallower student"
        )


def _check_pairs(pairs: ListedMapping, student_layers: int, teacher_layers: int) -> None:
    ours = [i for i, _ in pairs]
    if not ours:
        raise BadSpec("the layer map lists no pair: give at least one, or 'uniform'")
    if ours != sorted(set(ours)):
        raise BadSpec(
            f"the layer map lists the student's layers {ours}: give each once, in ascending order"
        )
    if outside := [
        (i, j) for i, j in pairs if not (0 <= i < student_layers and 0 <= j < teacher_layers)
    ]:
        raise BadSpec(
            f"the layer map lists the pairs {outside}, and the student has layers 0 to "
            f"{student_layers - 1}, the teacher 0 to {teacher_layers - 1}: give pairs of those, "
            "or 'uniform'"
        )
