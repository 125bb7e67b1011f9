"""Pairs of sentences with how alike they are."""

from alambique.tasks.datasets import Dataset, Shipped

TASK = "similarity"

SETS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-similarities",
        task=TASK,
        source=Shipped("similarities"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated pairs of sentences, rated 0 to 5 by what both tell; part of this package",
        licence="Apache-2.0",
        labels=("similarity",),
    ),
)
