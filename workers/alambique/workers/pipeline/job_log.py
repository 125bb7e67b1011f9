"""A job's log: what its driver warns of, where everybody can read it."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from alambique.registry.bounds import LINES
from alambique.spec.errors import LostLease
from alambique.spec.excerpts import excerpt
from alambique.workers.pipeline.context import JobContext


class _IntoLog(logging.Handler):
    def __init__(self, context: JobContext) -> None:
        super().__init__(logging.INFO)
        self._context = context

    def emit(self, record: logging.LogRecord) -> None:
        # only ours: a library's remarks would drown them
        if record.name.startswith("alambique"):
            # whoever warns that the job is lost must get over it, not fall over it
            with suppress(LostLease):
                self._context.log(f"{record.levelname.lower()}: {record.getMessage()}")


@contextmanager
def into_log(context: JobContext) -> Iterator[None]:
    """While it lasts, our own log records go into the log of the job too."""
    handler, logger = _IntoLog(context), logging.getLogger("alambique")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def trace_of(error: BaseException, lines: int = 40) -> list[str]:
    """The last lines of an error's traceback, none so long that the others find no room."""
    text = "".join(traceback.format_exception(error))
    return [excerpt(line, LINES // (lines + 1)) for line in text.rstrip().split("\n")[-lines:]]
