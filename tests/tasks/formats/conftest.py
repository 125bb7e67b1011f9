"""Files of one's own, and those of the shared folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

Written = Callable[[str, str | bytes], Path]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Makes a file of that name and content, in a folder of its own."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path_factory.mktemp("files") / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make
