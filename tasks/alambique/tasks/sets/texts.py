"""Running text, for distillation that is of no task."""

from alambique.spec.general import NAME
from alambique.tasks.datasets import Dataset, Paragraphs, Shipped

SETS: tuple[Dataset, ...] = (
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
        licence="UN News: its own terms; novels: public domain",
    ),
)
