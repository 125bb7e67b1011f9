"""A database that does not answer: how that shows, and what is said of it. Free of HTTP.

Errors of these kinds may also mean that a disk is full: `is_disk_full` is to be asked first.
"""

from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

AWAY = (OperationalError, ProgrammingError, InterfaceError, PoolTimeout)
"""What SQLAlchemy raises where nobody answers, or the tables are not there."""

# the error itself stays unsaid: it may hold parts of a URL with its password
SAID = "the database does not answer: is it reachable, and migrated (`alambique db upgrade`)?"
