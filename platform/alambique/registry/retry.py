"""Transactions that are begun again while the database is away, for some time."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy.orm import Session

from alambique.registry.database import Database
from alambique.registry.db_errors import is_away

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

_PAUSE = 0.25
"""Seconds between two tries."""


def read(database: Database, query: Callable[[Session], T], *, patience: float) -> T:
    """Return what `query` finds in the registry, with the patience of `with_retry`."""
    return with_retry(lambda: _in_session(database.read, query), patience=patience)


def write(database: Database, change: Callable[[Session], T], *, patience: float) -> T:
    """Change the registry in one transaction, with the patience of `with_retry`."""
    return with_retry(lambda: _in_session(database.write, change), patience=patience)


def with_retry(transact: Callable[[], T], *, patience: float) -> T:
    """Return what `transact` gives, which is called again while the database is away.

    A transaction whose commit got no answer may have been done, and is done again: it has to come
    to the same then, or to fail at its fence.

    Args:
        transact: does one transaction, whole.
        patience: seconds after the first failure, until which it is tried again.

    Raises:
        Exception: what `transact` raised: at once, or at the last try where the database was away.
    """
    began: float | None = None
    while True:
        try:
            result = transact()
        except Exception as error:
            now = time.monotonic()
            if not is_away(error) or (began is not None and now - began > patience):
                raise
            if began is None:
                began = now
                _LOG.warning("the database does not answer: waiting for it")
            time.sleep(_PAUSE)
        else:
            if began is not None:
                _LOG.warning("the database answers again after %.1f s", time.monotonic() - began)
            return result


def _in_session(
    begin: Callable[[], AbstractContextManager[Session]], act: Callable[[Session], T]
) -> T:
    with begin() as session:
        return act(session)
