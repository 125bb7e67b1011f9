"""Files of data sets from a hub that speaks the hub's protocol."""

from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from alambique.spec.errors import UnknownName
from alambique.tasks.datasets import Hub
from alambique.tasks.examples import Labelled
from alambique.tasks.fetching import fetching
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import Columns, Rows

COMMIT = "4cd8187c404bda33cb1f62b49b001115862acf37"
COLUMNS = Columns(texts=("premise", "hypothesis"), label="label")
PAIRS = [Labelled("train.parquet:1", ("Ana vive en Lugo.", "Ana vive."), "entailment")]
PATH = "es/train.parquet"
SET = Hub("team/pairs", COMMIT, {"train": PATH}, partial(tables.read, columns=COLUMNS))


class HubOfOurOwn(BaseHTTPRequestHandler):
    """The route of the hub that a file of a data set is asked for by."""

    def __init__(self, file: Path, asked: list[str], *args: object) -> None:
        self.file = file
        self.asked = asked
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.respond(body=True)

    def do_HEAD(self) -> None:
        self.respond(body=False)

    def respond(self, *, body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        there = self.path == f"/datasets/team/pairs/resolve/{COMMIT}/{PATH.replace('/', '%2F')}"
        there = there or self.path == f"/datasets/team/pairs/resolve/{COMMIT}/{PATH}"
        content = self.file.read_bytes() if there else b""
        self.send_response(200 if there else 404)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", '"pairs"')
        if not there:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nothing: stderr belongs to the tests."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A hub with the data set team/pairs; its URL, and what it has been asked for."""
    file, asked = tmp_path / "train.parquet", list[str]()
    tables.write(file, COLUMNS, PAIRS)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(HubOfOurOwn, file, asked))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_is_fetched_once_at_its_commit(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    url, asked = hub
    fetch = fetching(tmp_path / "cache", endpoint=url)
    found = SET.read(fetch(SET, PATH))
    assert isinstance(found, Rows)
    assert [(one.texts, one.label) for one in found.examples] == [
        (pair.texts, pair.label) for pair in PAIRS
    ]
    assert asked
    asked.clear()
    assert fetch(SET, PATH).is_file()
    assert asked == []


def test_a_file_that_the_hub_has_not(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"es/dev\.parquet of the data set team/pairs at 4cd8"):
        fetching(tmp_path / "cache", endpoint=hub[0])(SET, "es/dev.parquet")
