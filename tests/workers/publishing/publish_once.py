"""Carries out one publication in a process of its own, which ends itself at a point if asked to.

Arguments: the URL of the hub, and `staging`, `recording`, `recorded` or nothing.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from alambique.registry.database import Database
from alambique.spec.settings import Settings
from alambique.workers.publishing.documents import DOCUMENTS
from alambique.workers.publishing.publisher import Publisher
from alambique.workers.publishing.release import Release


def end(*_: Any) -> None:
    """End this process as the power would."""
    os.kill(os.getpid(), signal.SIGKILL)


def varying(folder: Path, release: Release, settings: Settings) -> Mapping[str, bytes]:
    """Return a file that differs each time, as a signature does."""
    return {"NOTICE": os.urandom(16).hex().encode()}


def end_while_staging(folder: Path, release: Release, settings: Settings) -> Mapping[str, bytes]:
    """Never return the documents."""
    end()
    return {}


def end_at_record(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
    """End before the row says that it is published."""
    if statement.startswith("UPDATE publications") and "published" in parameters:
        end()


def main(endpoint: str, point: str) -> None:
    """Carry out the next publication."""
    settings = Settings()
    database = Database(settings.database)
    documents = (varying, *DOCUMENTS)
    if point == "staging":
        documents = (*documents, end_while_staging)
    if point == "recording":
        event.listen(Engine, "before_cursor_execute", end_at_record)
    published = Publisher(settings, database, endpoint=endpoint, documents=documents).publish_next()
    if point == "recorded":
        end()
    database.dispose()
    sys.stdout.write(f"{published.state if published else None}")


if __name__ == "__main__":
    main(*sys.argv[1:])
