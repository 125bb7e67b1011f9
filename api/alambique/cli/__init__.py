"""The command line, and with it the composition root: the one place that knows every part."""

import sys

from alambique.spec.errors import AlambiqueError

_EXTRAS = {
    "fastapi": "api",
    "uvicorn": "api",
    "torch": "workers",
    "transformers": "workers",
    "ray": "workers",
    "deepspeed": "workers",
}
"""Which extra of the package brings a module that the base install lacks."""


def main() -> None:
    """Run the command that the arguments name; an error of ours is one message, and exit 1."""
    from alambique.cli.program import program

    try:
        program()()
    except AlambiqueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        need = f"this command needs {error.name}: install alambique[{extra}]"
        print(f"error: {need}", file=sys.stderr)
        sys.exit(1)
