"""Pairs of sentences: premises with hypotheses, paraphrases, and pairs with a similarity."""

from functools import partial

from alambique.tasks.datasets import Dataset, Files, Hub, Shipped
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import NO_SENTENCE, Columns

_INFERENCE = "inference"

_LABELS = ("entailment", "neutral", "contradiction")
_XNLI = Columns(
    texts=("premise", "hypothesis"),
    label="label",
    names={**dict(zip("012", _LABELS, strict=True)), **{name: name for name in _LABELS}},
)
_INFERES = Columns(
    texts=("Premise", "Hypothesis"),
    label="Label",
    id="ID",
    names=dict(zip(("ent", "neutral", "cnt"), _LABELS, strict=True)),
)

_INFERENCES: tuple[Dataset, ...] = (
    Dataset(
        name="sample-inferences",
        task=_INFERENCE,
        source=Shipped("inferences"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated premises and hypotheses; part of this package",
        licence="Apache-2.0",
        labels=_LABELS,
    ),
    Dataset(
        name="xnli",
        task=_INFERENCE,
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
        licence="CC-BY-NC-4.0",
        labels=_LABELS,
    ),
    Dataset(
        name="xnli-dev",
        task=_INFERENCE,
        source=Files(
            {"train": "xnli/train.tsv", "dev": "xnli/dev.tsv", "test": "xnli/test.tsv"},
            partial(tables.read, columns=_XNLI),
        ),
        sizes={"train": 1992, "dev": 249, "test": 249},
        about="the dev split of XNLI in Spanish, which people translated, split by premise",
        licence="CC-BY-NC-4.0",
        labels=_LABELS,
    ),
    Dataset(
        name="inferes",
        task=_INFERENCE,
        source=Files(
            {"train": "inferes/train.csv", "dev": "inferes/dev.csv", "test": "inferes/test.csv"},
            partial(tables.read, columns=_INFERES),
        ),
        sizes={"train": 5800, "dev": 644, "test": 1612},
        about="InferES: pairs written in Spanish",
        licence="LicenseRef-Unknown",
        labels=_LABELS,
    ),
)

_PARAPHRASE = "paraphrase"

_PAWS = Columns(
    texts=("sentence1", "sentence2"),
    label="label",
    id="id",
    names={"0": "0", "1": "1"},
    skipped=frozenset({NO_SENTENCE}),
)

_PARAPHRASES: tuple[Dataset, ...] = (
    Dataset(
        name="sample-paraphrases",
        task=_PARAPHRASE,
        source=Shipped("paraphrases"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated pairs of sentences of nearly the same words; part of this package",
        licence="Apache-2.0",
        labels=("0", "1"),
    ),
    Dataset(
        name="paws-x",
        task=_PARAPHRASE,
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
        licence="LicenseRef-PAWS-Free-Use",
        labels=("0", "1"),
    ),
    Dataset(
        name="paws-x-dev",
        task=_PARAPHRASE,
        source=Files(
            {"train": "paws-x/train.tsv", "dev": "paws-x/dev.tsv", "test": "paws-x/test.tsv"},
            partial(tables.read, columns=_PAWS),
        ),
        sizes={"train": 1500, "dev": 250, "test": 250},
        about="the dev split of PAWS-X in Spanish; rows without a sentence are left out",
        licence="LicenseRef-PAWS-Free-Use",
        labels=("0", "1"),
    ),
)

_SIMILARITY = "similarity"

_SIMILARITIES: tuple[Dataset, ...] = (
    Dataset(
        name="sample-similarities",
        task=_SIMILARITY,
        source=Shipped("similarities"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated pairs of sentences, rated 0 to 5 by what both tell; part of this package",
        licence="Apache-2.0",
        labels=("similarity",),
    ),
)

SETS = (*_INFERENCES, *_PARAPHRASES, *_SIMILARITIES)
