"""Premises and hypotheses."""

from functools import partial

from alambique.tasks.datasets import Dataset, Files, Hub, Shipped
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import Columns

TASK = "inference"

LABELS = ("entailment", "neutral", "contradiction")
_XNLI = Columns(
    texts=("premise", "hypothesis"),
    label="label",
    names={**dict(zip("012", LABELS, strict=True)), **{name: name for name in LABELS}},
)
_INFERES = Columns(
    texts=("Premise", "Hypothesis"),
    label="Label",
    id="ID",
    names=dict(zip(("ent", "neutral", "cnt"), LABELS, strict=True)),
)

SETS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-inferences",
        task=TASK,
        source=Shipped("inferences"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated premises and hypotheses; part of this package",
        licence="Apache-2.0",
        labels=LABELS,
    ),
    Dataset(
        name="xnli",
        task=TASK,
        source=Hub(
            "facebook/xnli",
            "b8dd5d7af51114dbda02c0e3f6133f332186418e",
            {
                "train": "es/train-00000-of-00001.parquet",
                "dev": "es/validation-00000-of-00001.parquet",
                "test": "es/test-00000-of-00001.parquet",
            },
            partial(tables.read, columns=_XNLI),
        ),
        sizes={"train": 392702, "dev": 2490, "test": 5010},
        about="XNLI in Spanish whole, its train split translated by a machine",
        licence="CC BY-NC 4.0",
        labels=LABELS,
    ),
    Dataset(
        name="xnli-dev",
        task=TASK,
        source=Files(
            {"train": "xnli/train.tsv", "dev": "xnli/dev.tsv", "test": "xnli/test.tsv"},
            partial(tables.read, columns=_XNLI),
        ),
        sizes={"train": 1992, "dev": 249, "test": 249},
        about="the dev split of XNLI in Spanish, which people translated, split by premise",
        licence="CC BY-NC 4.0",
        labels=LABELS,
    ),
    Dataset(
        name="inferes",
        task=TASK,
        source=Files(
            {"train": "inferes/train.csv", "dev": "inferes/dev.csv", "test": "inferes/test.csv"},
            partial(tables.read, columns=_INFERES),
        ),
        sizes={"train": 5800, "dev": 644, "test": 1612},
        about="InferES: pairs written in Spanish",
        licence="not stated",
        labels=LABELS,
    ),
)
