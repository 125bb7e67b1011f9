"""The data sets known by name, in one list."""

from alambique.spec.errors import UnknownName
from alambique.spec.excerpts import excerpt
from alambique.spec.spelling import hint
from alambique.tasks.datasets import Dataset
from alambique.tasks.sets import pairs, questions, sentences, texts

DATASETS: tuple[Dataset, ...] = (
    *questions.SETS,
    *sentences.SETS,
    *pairs.SETS,
    *texts.SETS,
)


def dataset(name: str) -> Dataset:
    """Return the data set of that name.

    Raises:
        UnknownName: there is none; the message lists those there are.
    """
    for found in DATASETS:
        if found.name == name:
            return found
    names = [found.name for found in DATASETS]
    raise UnknownName(
        f"there is no data set {excerpt(name, 100)!r}: {hint(name, names)}choose one of "
        f"{', '.join(names)}; `alambique run` also takes a folder"
    )
