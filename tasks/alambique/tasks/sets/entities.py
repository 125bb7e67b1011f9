"""Sentences with named entities."""

from alambique.tasks.datasets import Dataset, Files, Shipped
from alambique.tasks.formats import conll

TASK = "named-entities"

SETS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-entities",
        task=TASK,
        source=Shipped("entities"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated Spanish sentences with names; part of this package",
        licence="Apache-2.0",
    ),
    Dataset(
        name="conll2002",
        task=TASK,
        source=Files(
            {
                "train": "conll2002/train.conll",
                "dev": "conll2002/dev.conll",
                "test": "conll2002/test.conll",
            },
            conll.read,
        ),
        sizes={"train": 8323, "dev": 1915, "test": 1517},
        about="CoNLL-2002, Spanish news",
        licence="research use",
        labels=("O", *(f"{p}-{t}" for t in ("PER", "ORG", "LOC", "MISC") for p in "BI")),
    ),
)
