"""/v1/tasks and /v1/data: what jobs can name."""

from pathlib import Path

from fastapi import APIRouter

from alambique.api.context import Here
from alambique.api.views import DatasetView, PageView, TaskView
from alambique.tasks.all import ALL
from alambique.tasks.catalogue import DATASETS
from alambique.tasks.datasets import Articles, Dataset, Files, Generated, Hub, Paragraphs

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/tasks")
async def tasks() -> PageView[TaskView]:
    """The tasks that jobs can name."""
    views = [TaskView.of(task) for task in ALL]
    return PageView[TaskView](items=views, next=None)


@router.get("/data")
def data(context: Here) -> PageView[DatasetView]:
    """The data sets that jobs can name."""
    folder = context.settings.data
    views = [DatasetView.of(found, _at_hand(found, folder)) for found in DATASETS]
    return PageView[DatasetView](items=views, next=None)


def _at_hand(found: Dataset, folder: Path | None) -> bool:
    match found.source:
        case Generated():
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
