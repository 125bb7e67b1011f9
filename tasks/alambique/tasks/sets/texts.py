"""Single texts: documents with a topic, and running text for distillation that is of no task."""

from functools import partial

from alambique.spec.general import NAME
from alambique.tasks.datasets import Dataset, Files, Paragraphs, Shipped
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import Columns

_DOCUMENTS = "document-classification"

_DOCUMENT_COLUMNS = Columns(texts=("text",), label="label")

_TOPICS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-documents",
        task=_DOCUMENTS,
        source=Shipped("documents"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated texts of several sentences on four topics; part of this package",
        licence="Apache-2.0",
        labels=("cultura", "deportes", "economía", "política"),
    ),
    Dataset(
        name="mldoc",
        task=_DOCUMENTS,
        source=Files(
            {"train": "mldoc/train.tsv", "dev": "mldoc/dev.tsv", "test": "mldoc/test.tsv"},
            partial(tables.read, columns=_DOCUMENT_COLUMNS, header=("label", "text")),
        ),
        sizes={"train": 9458, "dev": 1000, "test": 4000},
        about="MLDoc in Spanish, made from Reuters news that you have a licence for",
        licence="LicenseRef-Reuters-Agreement",
        labels=("CCAT", "ECAT", "GCAT", "MCAT"),
    ),
    Dataset(
        name="noticias",
        task=_DOCUMENTS,
        source=Files(
            {"train": "noticias/train.csv", "dev": "noticias/dev.csv", "test": "noticias/test.csv"},
            partial(tables.read, columns=_DOCUMENT_COLUMNS),
        ),
        sizes={"train": 700, "dev": 120, "test": 151},
        about="topics of news from Mexico and Spain (jpposadas/FakeNewsCorpusSpanish)",
        licence="CC-BY-4.0",
        labels=(
            *("Economy", "Education", "Entertainment", "Health", "Politics"),
            *("Science", "Security", "Society", "Sport"),
        ),
    ),
)

_RUNNING_TEXT: tuple[Dataset, ...] = (
    Dataset(
        name="sample-text",
        task=NAME,
        source=Shipped("text"),
        sizes={"train": 1200, "dev": 150, "test": 150},
        about="generated passages, notes and news; part of this package",
        licence="Apache-2.0",
    ),
    Dataset(
        name="text",
        task=NAME,
        source=Paragraphs(("text/un-news.txt", "text/novels-1900-1920.txt")),
        sizes={"train": 114528, "dev": 1128, "test": 1190},
        about="news of the United Nations, and novels of 1900 to 1920 (ELTeC-spa)",
        licence="LicenseRef-UN-News-Terms AND LicenseRef-Public-Domain",
    ),
)

SETS = (*_TOPICS, *_RUNNING_TEXT)
