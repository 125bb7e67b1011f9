"""/healthz and /readyz: whether the process lives, and whether it can work."""

from pathlib import Path
from tempfile import TemporaryFile

from fastapi import APIRouter

from alambique.api.context import AppContext
from alambique.api.views import Health
from alambique.registry import jobs
from alambique.spec.disk import is_disk_full
from alambique.spec.errors import NotEnoughDisk

_ROOM = 1 << 16
"""Bytes that there has to be room for in the home: a job takes some of them."""

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Health:
    """Answer that the process lives."""
    return Health(status="alive")


@router.get("/readyz")
def readyz(context: AppContext) -> Health:
    """Answer whether the database answers and has the tables; if not, a problem with status 503.

    And a problem with status 507 where the disk of the home is full.
    """
    with context.database.read() as session:
        jobs.page(session, limit=1)
    _check_disk(context.settings.home)
    return Health(status="ready")


def _check_disk(home: Path) -> None:
    """Raise `NotEnoughDisk` if nothing can be written in the home, which also a quota may forbid.

    A home that may not be written to at all is no full one: with PostgreSQL an API needs none.
    """
    try:
        with TemporaryFile(dir=home) as file:
            file.write(bytes(_ROOM))
            file.flush()
    except OSError as error:
        if is_disk_full(error):
            raise NotEnoughDisk(
                f"there is no room for {_ROOM >> 10} KiB in ALAMBIQUE_HOME: make room, or set it "
                "to a larger disk"
            ) from error
