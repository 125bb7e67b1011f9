"""Pairs of sentences that say the same, or nearly."""

from functools import partial

from alambique.tasks.datasets import Dataset, Files, Hub, Shipped
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import NO_SENTENCE, Columns

TASK = "paraphrase"

_PAWS = Columns(
    texts=("sentence1", "sentence2"),
    label="label",
    id="id",
    names={"0": "0", "1": "1"},
    skipped=frozenset({NO_SENTENCE}),
)

SETS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-paraphrases",
        task=TASK,
        source=Shipped("paraphrases"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated pairs of sentences of nearly the same words; part of this package",
        licence="Apache-2.0",
        labels=("0", "1"),
    ),
    Dataset(
        name="paws-x",
        task=TASK,
        source=Hub(
            "google-research-datasets/paws-x",
            "4cd8187c404bda33cb1f62b49b001115862acf37",
            {
                "train": "es/train-00000-of-00001.parquet",
                "dev": "es/validation-00000-of-00001.parquet",
                "test": "es/test-00000-of-00001.parquet",
            },
            partial(tables.read, columns=_PAWS),
        ),
        sizes={"train": 49401, "dev": 2000, "test": 2000},
        about="PAWS-X in Spanish whole; rows without a translated sentence are left out",
        licence="free use",
        labels=("0", "1"),
    ),
    Dataset(
        name="paws-x-dev",
        task=TASK,
        source=Files(
            {"train": "paws-x/train.tsv", "dev": "paws-x/dev.tsv", "test": "paws-x/test.tsv"},
            partial(tables.read, columns=_PAWS),
        ),
        sizes={"train": 1500, "dev": 250, "test": 250},
        about="the dev split of PAWS-X in Spanish; rows without a sentence are left out",
        licence="free use",
        labels=("0", "1"),
    ),
)
