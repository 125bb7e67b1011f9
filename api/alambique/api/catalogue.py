"""/v1/tasks and /v1/data: what jobs can name."""

from fastapi import APIRouter

from alambique.api.context import AppContext
from alambique.api.queries import known_data, known_tasks
from alambique.api.views import DatasetView, PageView, TaskView

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/tasks")
async def tasks() -> PageView[TaskView]:
    """List the tasks that jobs can name."""
    return known_tasks()


@router.get("/data")
def data(context: AppContext) -> PageView[DatasetView]:
    """List the data sets that jobs can name."""
    return known_data(context.settings.data)
