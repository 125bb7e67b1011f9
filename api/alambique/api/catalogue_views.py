"""What jobs can name, as this package knows it. Free of HTTP, for who asks no server too."""

from __future__ import annotations

from pathlib import Path

from alambique.api.views import DatasetView, PageView, TaskView
from alambique.tasks.all import ALL
from alambique.tasks.catalogue import DATASETS
from alambique.tasks.datasets import Articles, Dataset, Files, Hub, Paragraphs, Shipped


def known_tasks() -> PageView[TaskView]:
    """Every task."""
    return PageView[TaskView](items=[TaskView.of(task) for task in ALL], next=None)


def known_data(folder: Path | None) -> PageView[DatasetView]:
    """Every data set of the catalogue; `folder` is the one of ALAMBIQUE_DATA, where that is set."""
    views = [DatasetView.of(one, _is_at_hand(one, folder)) for one in DATASETS]
    return PageView[DatasetView](items=views, next=None)


def _is_at_hand(dataset: Dataset, folder: Path | None) -> bool:
    match dataset.source:
        case Shipped():
            return True
        case Hub():
            return False  # it is fetched when a job runs
        case Files(paths, _):
            needed = tuple(paths.values())
        case Articles(path, _):
            needed = (path,)
        case Paragraphs(paths, _):
            needed = paths
    return folder is not None and all((folder / path).is_file() for path in needed)
