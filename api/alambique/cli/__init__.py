"""The command line, and with it the composition root: the one place that knows every part."""

import os
import sys

from alambique.spec.errors import AlambiqueError
from alambique.workers.environment import compute_environment


def main() -> None:
    """Run the command that the arguments name; a foreseen error is one message, and exit 1."""
    # before torch is imported here, and for every process that is started from here
    os.environ.update(compute_environment(os.environ))
    from alambique.cli.program import program

    try:
        program()()
    except Exception as error:
        message = _error_text(error)
        if message is None:
            raise
        from alambique.cli.tables import printable

        print(f"error: {printable(message)}", file=sys.stderr)
        sys.exit(1)


def _error_text(error: Exception) -> str | None:
    """Return the message on an error for users; None if it was not foreseen: it is to be traced."""
    if isinstance(error, AlambiqueError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        from alambique.cli.extras import extra_of

        extra = extra_of(str(error.name).partition(".")[0])
        return extra and f"this command needs {error.name}: pip install 'alambique[{extra}]'"
    from alambique.spec.disk import disk_full_text, is_disk_full

    if is_disk_full(error):
        return disk_full_text(error)
    if "sqlalchemy" not in sys.modules:  # it may not be installed
        return None
    from alambique.registry.db_errors import database_text

    return database_text(error)
