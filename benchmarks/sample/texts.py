"""Running text of the grammar, in three splits."""

from collections.abc import Mapping
from functools import cache

from benchmarks.sample.corpus import corpus
from benchmarks.sample.splits import ORDER

from alambique.spec.data import Split
from alambique.tasks.examples import Text

SIZES: Mapping[Split, int] = {"train": 1200, "dev": 150, "test": 150}

_SEED = 4
"""Other texts than those that the sample encoder has read."""


def texts(split: Split) -> list[Text]:
    """The texts of a split, always the same; none has a sentence of another sample's dev or test.

    Args:
        split: "train" (1 200), "dev" (150) or "test" (150). They share no text.
    """
    return list(_all()[split])


@cache
def _all() -> Mapping[Split, tuple[Text, ...]]:
    # dict for set: a set of texts has another order in each process
    told = corpus(_SEED)
    some: dict[str, None] = {}
    while len(some) < sum(SIZES.values()):
        some[next(told)] = None
    every = iter(some)
    return {
        split: tuple(Text(f"{split}-{n:04}", next(every)) for n in range(SIZES[split]))
        for split in ORDER
    }
