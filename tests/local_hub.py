"""A hub on this machine that speaks as much of the hub's protocol as its libraries ask for."""

import hashlib
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote, unquote

Answered = Callable[[str], tuple[int, bytes, dict[str, str]]]
"""From a path with its query to status, body and headers."""
_RANGE = re.compile("bytes=([0-9]+)-([0-9]+)")


class Answering(BaseHTTPRequestHandler):
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

    def _refs(self, repository: str) -> dict[str, list[dict[str, str]]]:
        """All revisions of a repository by name; those of proposed changes apart."""
        named: dict[str, list[dict[str, str]]] = {"branches": [], "converts": [], "tags": []}
        named["pullRequests"] = []
        for name, revision in self.repositories:
            if name == repository:
                proposed = revision.startswith("refs/pr/")
                ref = revision if proposed else f"refs/heads/{revision}"
                commit = self.commit(repository, revision)
                one = {"name": revision, "ref": ref, "targetCommit": commit}
                named["pullRequests" if proposed else "branches"].append(one)
        return named

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
                siblings = _siblings(folder) if "blobs=true" in query.lower() else []
                info = {"id": repository, "sha": commit, "siblings": siblings}
                return 200, json.dumps(info).encode(), {}
            if path == f"{base}/refs":
                return 200, json.dumps(self._refs(repository)).encode(), {}
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


def _siblings(folder: Path) -> list[dict[str, object]]:
    """What is said of each file of a revision to who asks for sizes and hashes."""
    return [_sibling(one, folder) for one in folder.rglob("*") if one.is_file()]


def _sibling(one: Path, folder: Path) -> dict[str, object]:
    content = one.read_bytes()
    blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    told = {"rfilename": str(one.relative_to(folder)), "size": len(content), "blobId": blob}
    if one.suffix not in (".onnx", ".bin", ".safetensors"):
        return told
    sha256 = hashlib.sha256(content).hexdigest()
    return told | {"lfs": {"sha256": sha256, "size": len(content), "pointerSize": 133}}
