"""The files of `deploy/`, read as what reads them would."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def deploy() -> Path:
    """The folder with the files that install the platform."""
    return REPO / "deploy"


@pytest.fixture(scope="session")
def program_of() -> Callable[[str], str]:
    """Finds a program of the system, or skips."""
    return _program_of


def _program_of(name: str) -> str:
    # what is for administrators is on no user's PATH
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="session")
def make_secrets(deploy: Path, program_of: Callable[[str], str]) -> Callable[..., str]:
    """Runs `make-secrets.sh` with arguments; gives what it says."""
    program_of("openssl")

    def make(*arguments: str) -> str:
        return subprocess.check_output([str(deploy / "make-secrets.sh"), *arguments], text=True)

    return make


@pytest.fixture(scope="session")
def ports() -> Callable[[], int]:
    """Finds TCP ports of this machine that nothing listens on now, each another one."""
    given: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket() as found:
                found.bind(("127.0.0.1", 0))
                port = int(found.getsockname()[1])
            if port not in given:
                given.add(port)
                return port

    return find
