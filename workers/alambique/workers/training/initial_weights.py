"""The networks that trainings begin with: teachers with a head, students cut from them."""

from collections.abc import Iterable
from pathlib import Path

from alambique.models import shapes
from alambique.models.configs import depth, read_config
from alambique.models.networks import load, new, save
from alambique.models.shapes import kept_layers
from alambique.models.students import cut, narrow
from alambique.models.tokenizers import CLS, MASK, PAD, SEP, SPECIAL, train_tokenizer
from alambique.spec.job import Student
from alambique.spec.outputs import Output
from alambique.spec.sources import Architecture


def write_with_head(
    folder: Path, output: Output, labels: tuple[str, ...], into: Path, *, seed: int
) -> None:
    """Write the model of `folder` with a head for these labels into another folder.

    A head that the model has is kept, its classes put into the order of `labels`; one that it lacks
    is drawn from the seed.
    """
    save(load(folder, output, labels, seed=seed), into, folder)


def write_student(
    student: Student,
    source: Path,
    output: Output,
    labels: tuple[str, ...],
    into: Path,
    *,
    seed: int,
) -> None:
    """Write the untrained student into a folder.

    Args:
        student: its shape, and where its weights start from.
        source: the model that layers are cut and slices taken from; for a random start, whose
            shape and tokenizer hold where the student says nothing.
        output: the kind of output it has.
        labels: its classes.
        into: the folder.
        seed: of weights that are drawn.

    Raises:
        BadSpec: the student cannot be made of that model.
        BadModel: the folder cannot be loaded.
    """
    start = read_config(source)
    config = shapes.student_config(student, start)
    if student.start == "random":
        network = new(config, output, labels, seed=seed)
    else:
        layers = kept_layers(student.keep, student.layers, depth(start))
        network = narrow(cut(source, layers, output, labels, seed=seed), config)
    save(network, into, source)


def write_from_scratch(
    architecture: Architecture,
    texts: Iterable[str],
    output: Output,
    labels: tuple[str, ...],
    into: Path,
    positions: int,
    *,
    seed: int,
) -> None:
    """Write an untrained network into a folder, with a tokenizer trained on `texts`."""
    vocabulary = train_tokenizer(texts, architecture.vocabulary, into, max_length=positions)
    config = shapes.from_scratch(
        architecture,
        vocabulary=vocabulary,
        pad=SPECIAL.index(PAD),
        cls=SPECIAL.index(CLS),
        sep=SPECIAL.index(SEP),
        mask=SPECIAL.index(MASK),
        positions=positions,
    )
    save(new(config, output, labels, seed=seed), into, into)
