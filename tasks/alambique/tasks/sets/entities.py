"""Sentences with named entities."""

from alambique.tasks.datasets import Dataset, Files, Generated
from alambique.tasks.formats import conll
from alambique.tasks.sample import entities

TASK = "named-entities"

SETS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-entities",
        task=TASK,
        source=Generated(entities.sentences),
        sizes=entities.SIZES,
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
