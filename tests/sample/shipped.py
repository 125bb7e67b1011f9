"""The examples that the package ships, read once."""

from functools import cache
from typing import Any, get_args

from alambique.spec.data import Split
from alambique.tasks.samples import read_sample, sample_file

SPLITS: tuple[Split, ...] = get_args(Split)


@cache
def shipped(name: str, split: Split) -> tuple[Any, ...]:
    return tuple(read_sample(sample_file(name, split)))
