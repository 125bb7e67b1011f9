"""Which code made a thing."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path


@cache
def code_version() -> str:
    """The package's version, and a hash of the sources of all its parts that run here.

    A checkout that somebody has edited is another version than the release it came from.
    """
    import alambique

    digest = hashlib.sha256()
    for root in sorted(alambique.__path__):
        for path in sorted(Path(root).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode())
            digest.update(path.read_bytes())
    return f"{version('alambique')}+{digest.hexdigest()[:12]}"
