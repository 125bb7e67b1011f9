"""Texts with a topic."""

from functools import partial

from alambique.tasks.datasets import Dataset, Files, Shipped
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import Columns

TASK = "document-classification"

_COLUMNS = Columns(texts=("text",), label="label")

SETS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-documents",
        task=TASK,
        source=Shipped("documents"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated texts of several sentences on four topics; part of this package",
        licence="Apache-2.0",
        labels=("cultura", "deportes", "economía", "política"),
    ),
    Dataset(
        name="mldoc",
        task=TASK,
        source=Files(
            {"train": "mldoc/train.tsv", "dev": "mldoc/dev.tsv", "test": "mldoc/test.tsv"},
            partial(tables.read, columns=_COLUMNS, header=("label", "text")),
        ),
        sizes={"train": 9458, "dev": 1000, "test": 4000},
        about="MLDoc in Spanish, made from Reuters news that you have a licence for",
        licence="Reuters: your own copy",
        labels=("CCAT", "ECAT", "GCAT", "MCAT"),
    ),
    Dataset(
        name="noticias",
        task=TASK,
        source=Files(
            {"train": "noticias/train.csv", "dev": "noticias/dev.csv", "test": "noticias/test.csv"},
            partial(tables.read, columns=_COLUMNS),
        ),
        sizes={"train": 700, "dev": 120, "test": 151},
        about="topics of news from Mexico and Spain (jpposadas/FakeNewsCorpusSpanish)",
        licence="CC BY 4.0",
        labels=(
            *("Economy", "Education", "Entertainment", "Health", "Politics"),
            *("Science", "Security", "Society", "Sport"),
        ),
    ),
)
