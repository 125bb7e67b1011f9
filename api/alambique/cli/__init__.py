"""The command line, and with it the composition root: the one place that knows every part."""

import sys

from alambique.spec.errors import AlambiqueError


def main() -> None:
    """Run the command that the arguments name; an error of ours is one message, and exit 1."""
    from alambique.cli.program import program

    try:
        program()()
    except AlambiqueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
