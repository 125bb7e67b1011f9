"""/healthz and /readyz: whether the process lives, and whether it can work."""

from fastapi import APIRouter

from alambique.api.context import Db
from alambique.api.views import Health
from alambique.registry import jobs

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="alive")


@router.get("/readyz")
def readyz(database: Db) -> Health:
    """The database answers too, and has the tables; a problem with status 503 where not."""
    with database.read() as session:
        jobs.page(session, limit=1)
    return Health(status="ready")
