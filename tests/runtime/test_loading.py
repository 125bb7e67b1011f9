"""Versions fetched from a server and from a hub, both of this machine, and what is not taken."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from tests.local_hub import Answering, Hub

from alambique.runtime.loading import fetch, load
from alambique.spec.errors import BadModel, BadSpec, UnknownName, Unreachable
from alambique.spec.outputs import Output

Exported = Callable[[Output], Path]
VERSION = "/v1/models/ner/versions/3"
TEXT = "Ana Ruiz nació en Lugo."
READ = {
    *("alambique.json", "config.json", "model.onnx"),
    *("tokenizer.json", "tokenizer_config.json"),
}
"""What the runtime reads of the version; its weights for torch stay where they are."""


@dataclass
class VersionServer:
    """A server of this platform, as far as a version and its files go."""

    folder: Path
    url: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    """What is said of files, where it is another thing than is so."""
    hashes: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Where paths redirect to."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Each path that was asked for, with who asked."""

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """The version at its path, and each of its files below it."""
        path = urlsplit(path).path
        if path in self.elsewhere:
            return HTTPStatus.FOUND, b"", {"Location": self.elsewhere[path]}
        if path == VERSION:
            return 200, json.dumps({"files": [self._entry(p) for p in self.files()]}).encode(), {}
        name = path.removeprefix(f"{VERSION}/files/")
        if (self.folder / name).is_file():
            return 200, (self.folder / name).read_bytes(), {}
        return 404, b"{}", {"Content-Type": "application/problem+json"}

    def files(self) -> list[Path]:
        """Those of the version."""
        return sorted(self.folder.iterdir())

    def _entry(self, path: Path) -> dict[str, object]:
        content, name = path.read_bytes(), path.name
        return {
            "name": name,
            "size": self.sizes.get(name, len(content)),
            "sha256": self.hashes.get(name, hashlib.sha256(content).hexdigest()),
        }

    @property
    def fetched(self) -> set[str]:
        """The names of the files that were asked for."""
        return {path.rpartition("/")[2] for path, _ in self.asked if "/files/" in path}


class Remembering(Answering):
    """Writes down who asks for what."""

    def __init__(self, server: VersionServer, *args: object) -> None:
        self.remembered = server.asked
        super().__init__(server.answer, *args)

    def begun(self) -> bytes:
        self.remembered.append((self.path, self.headers.get("Authorization")))
        return super().begun()


@contextmanager
def serve(version: VersionServer) -> Iterator[VersionServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Remembering, version))
    thread = Thread(target=server.serve_forever)
    thread.start()
    version.url = f"http://127.0.0.1:{server.server_port}{VERSION}"
    try:
        yield version
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(exported: Exported, tmp_path: Path) -> Iterator[VersionServer]:
    """A server with one version."""
    with serve(VersionServer(shutil.copytree(exported(Output.TAGS), tmp_path / "there"))) as found:
        yield found


def test_a_version_of_a_server_answers_as_its_folder_does(
    server: VersionServer, exported: Exported, tmp_path: Path
) -> None:
    model = load(server.url, cache=tmp_path / "cache", threads=1)
    assert model.tag(TEXT) == load(exported(Output.TAGS), threads=1).tag(TEXT)
    assert server.fetched == READ
    (folder,) = (tmp_path / "cache").iterdir()
    assert {path.name for path in folder.iterdir()} == READ


def test_what_was_fetched_is_not_fetched_again(server: VersionServer, tmp_path: Path) -> None:
    folder = fetch(server.url, cache=tmp_path / "cache")
    server.asked.clear()
    assert fetch(server.url, cache=tmp_path / "cache") == folder
    assert [path for path, _ in server.asked] == [VERSION]
    (server.folder / "config.json").write_text("{}")
    assert fetch(server.url, cache=tmp_path / "cache") != folder


def test_the_project_of_a_version_is_asked_for(server: VersionServer, tmp_path: Path) -> None:
    fetch(f"{server.url}?project=mine", cache=tmp_path / "cache")
    assert {urlsplit(path).query for path, _ in server.asked} == {"project=mine"}


def test_a_wrong_hash_is_refused_and_nothing_is_left(server: VersionServer, tmp_path: Path) -> None:
    server.hashes["model.onnx"] = "0" * 64
    with pytest.raises(BadModel, match=r"model\.onnx is not what was listed"):
        load(server.url, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("more", [-1, 1])
def test_another_size_than_the_listed_is_refused(
    server: VersionServer, tmp_path: Path, more: int
) -> None:
    server.sizes["model.onnx"] = (server.folder / "model.onnx").stat().st_size + more
    with pytest.raises(BadModel, match=r"model\.onnx"):
        load(server.url, cache=tmp_path / "cache")


def test_a_version_that_is_too_large_is_not_fetched(server: VersionServer, tmp_path: Path) -> None:
    size = sum(path.stat().st_size for path in server.files() if path.name in READ)
    with pytest.raises(BadModel, match="most_bytes"):
        fetch(server.url, cache=tmp_path / "cache", most_bytes=size - 1)
    assert server.fetched == set()
    assert fetch(server.url, cache=tmp_path / "cache", most_bytes=size).is_dir()


@pytest.mark.parametrize("path", ["/v1/models/other/versions/3", f"{VERSION}/files/none"])
def test_what_is_not_there_is_said(server: VersionServer, tmp_path: Path, path: str) -> None:
    with pytest.raises(UnknownName, match="answers 404"):
        fetch(server.url.replace(VERSION, path), cache=tmp_path / "cache")


@pytest.mark.parametrize("name", ["config.json", "model.onnx"])
def test_another_address_is_no_version(server: VersionServer, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadModel, match=r"no version of a model|lists no files"):
        fetch(f"{server.url}/files/{name}", cache=tmp_path / "cache")


def test_a_version_without_its_description_is_refused(
    server: VersionServer, tmp_path: Path
) -> None:
    (server.folder / "alambique.json").unlink()
    with pytest.raises(BadModel, match=r"has no alambique\.json"):
        fetch(server.url, cache=tmp_path / "cache")


def test_a_server_that_is_away_is_said(tmp_path: Path, free_port: int) -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        fetch(f"http://127.0.0.1:{free_port}{VERSION}", cache=tmp_path)


def test_a_token_goes_to_no_other_host(
    server: VersionServer, exported: Exported, tmp_path: Path
) -> None:
    path = f"{VERSION}/files/model.onnx"
    with serve(VersionServer(exported(Output.TAGS))) as other:
        server.elsewhere[path] = other.url.replace(VERSION, path)
        fetch(server.url, cache=tmp_path / "cache", token="S3CRET")
        assert other.asked == [(path, None)]
    assert {who for _, who in server.asked} == {"Bearer S3CRET"}


def test_a_token_follows_a_redirection_on_its_host(server: VersionServer, tmp_path: Path) -> None:
    shutil.copy(server.folder / "config.json", server.folder / "moved.json")
    moved = f"{VERSION}/files/moved.json"
    server.elsewhere[f"{VERSION}/files/config.json"] = moved
    fetch(server.url, cache=tmp_path / "cache", token="S3CRET")
    assert (moved, "Bearer S3CRET") in server.asked


def test_user_and_password_of_an_address_are_sent_and_not_shown(
    server: VersionServer, tmp_path: Path
) -> None:
    named = server.url.replace("//", "//ana:S3%40CRET@")
    fetch(named, cache=tmp_path / "cache")
    assert {who for _, who in server.asked} == {"Basic YW5hOlMzQENSRVQ="}
    server.hashes["model.onnx"] = "0" * 64
    for wrong in (named, named.replace("/3", "/4"), named.replace("http:", "ftp:")):
        with pytest.raises((BadModel, UnknownName, BadSpec)) as error:
            fetch(wrong, cache=tmp_path / "cache")
        assert "CRET" not in str(error.value)


@pytest.mark.parametrize(
    "source",
    [
        "http://models.example/v1/models/ner/versions/3",
        "ftp://127.0.0.1/version",
        "file://localhost/etc/passwd",
        "https:///version",
    ],
)
def test_models_are_fetched_by_https_alone(source: str, tmp_path: Path) -> None:
    with pytest.raises(BadSpec, match="https alone"):
        fetch(source, cache=tmp_path)


@pytest.mark.parametrize("target", ["http://models.example/x", "file:///etc/passwd"])
def test_no_redirection_leads_away_from_https(
    server: VersionServer, tmp_path: Path, target: str
) -> None:
    server.elsewhere[VERSION] = target
    with pytest.raises((BadModel, Unreachable)):
        fetch(server.url, cache=tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSpec, match="no folder here: give a folder, https://host"):
        load(tmp_path / "nothing")


def test_a_model_of_a_hub_answers_as_its_folder_does(
    hub: Hub, exported: Exported, tmp_path: Path
) -> None:
    hub.add("team/ner", exported(Output.TAGS))
    model = load("hub:team/ner", cache=tmp_path / "cache", endpoint=hub.endpoint, threads=1)
    assert model.tag(TEXT) == load(exported(Output.TAGS), threads=1).tag(TEXT)
    assert set(hub.fetched) == {f"team/ner/{name}" for name in READ}


@pytest.mark.parametrize(
    ("source", "kind", "said"),
    [
        ("hub:team/other", UnknownName, "Check id, revision and token"),
        ("hub:team/ner@no-such", UnknownName, "Check id, revision and token"),
        ("hub:a/b/c", BadSpec, "a/b/c"),
    ],
)
def test_a_model_that_a_hub_has_not_is_said(
    hub: Hub, exported: Exported, tmp_path: Path, source: str, kind: type[Exception], said: str
) -> None:
    hub.add("team/ner", exported(Output.TAGS))
    with pytest.raises(kind, match=said):
        fetch(source, cache=tmp_path / "cache", endpoint=hub.endpoint)


def test_a_revision_of_a_hub_is_one_of_its_own(
    hub: Hub, exported: Exported, tmp_path: Path
) -> None:
    other = shutil.copytree(exported(Output.TAGS), tmp_path / "other")
    (other / "config.json").write_text("{}")
    hub.add("team/ner", exported(Output.TAGS))
    hub.add("team/ner", other, revision="old")
    found = fetch("hub:team/ner@old", cache=tmp_path / "cache", endpoint=hub.endpoint)
    assert (found / "config.json").read_text() == "{}"


def test_a_hub_that_is_away_is_said(tmp_path: Path, free_port: int) -> None:
    with pytest.raises(Unreachable, match="the hub does not answer"):
        fetch("hub:team/ner", cache=tmp_path, endpoint=f"http://127.0.0.1:{free_port}")
