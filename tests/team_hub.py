"""A hub on this machine that teams write to: the protocol by which huggingface_hub commits.

Repositories have a history as git has one: each commit names its parent, and its id is a hash of
what it holds. Routes are those of huggingface_hub 2.4 without Xet.
"""

import base64
import hashlib
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

_LARGE = (".safetensors", ".onnx", ".bin")
_COMMITS_A_PAGE = 3
_TIME = "2026-01-01T00:00:00.000Z"
WRITER = "hf_writer"
"""A token that may write to the repositories of `team`."""
READER = "hf_reader"


@dataclass(frozen=True)
class Commit:
    """A state of a repository."""

    id: str
    title: str
    message: str
    files: Mapping[str, bytes]


@dataclass
class Repository:
    """What was committed, the newest last; its tags; and who may see it."""

    commits: list[Commit]
    private: bool
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        name = self.tags.get(revision, revision)
        if name == "main":
            return self.head
        return next((one for one in self.commits if one.id == name), None)

    def add(self, title: str, message: str, files: Mapping[str, bytes]) -> Commit:
        parent = self.commits[-1].id if self.commits else ""
        said = json.dumps([parent, title, message, {name: _sha(files[name]) for name in files}])
        made = Commit(hashlib.sha1(said.encode()).hexdigest(), title, message, dict(files))
        self.commits.append(made)
        return made


@dataclass(frozen=True)
class Request:
    """What was asked, by the name of its route."""

    step: str
    method: str
    path: str
    query: Mapping[str, list[str]]
    token: str | None
    body: bytes
    match: re.Match[str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def _json(content: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(
        status, json.dumps(content).encode(), {"Content-Type": "application/json"} | headers
    )


def _fault(status: int, message: str, **headers: str) -> Answer:
    return _json({"error": message}, status, **{"X-Error-Message": message} | headers)


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


Watch = Callable[[str], None]


class TeamHub:
    """A hub with repositories, tokens and collections."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.collections: dict[str, dict[str, Any]] = {}
        self.stored: dict[str, bytes] = {}
        """Large files that were uploaded, by their sha256."""
        self.tokens = {WRITER: "write", READER: "read"}
        self.down = False
        """Whether it answers everybody with 503."""
        self.steps: list[str] = []
        """What was asked, in order."""
        self.before: Watch = lambda step: None
        self.after: Watch = lambda step: None
        """Called with each step, before and after it is carried out; the answer follows."""
        self.endpoint = ""
        self._lock = threading.RLock()

    def kill_at(self, step: str, when: str, process: Callable[[], int]) -> None:
        """Kill a process at the first of these steps: before it has sent it, or once it is done."""
        left = [step]

        def kill(asked: str) -> None:
            if asked in left:
                left.clear()
                os.kill(process(), signal.SIGKILL)
                raise ConnectionAbortedError(f"whoever asked for {step} is gone")

        setattr(self, when, kill)

    def publications(self, repository: str) -> list[str]:
        """The messages of the commits that were published, oldest first."""
        known = self.repositories.get(repository)
        return [one.message for one in known.commits if one.message] if known else []

    def create(self, repository: str, *, private: bool = True) -> Repository:
        made = Repository([], private)
        made.add("initial commit", "", {".gitattributes": b"*.safetensors filter=lfs\n"})
        self.repositories[repository] = made
        return made

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> Answer:
        parts = urlsplit(path)
        for step, verb, pattern, carry_out in _ROUTES:
            match = re.fullmatch(pattern, unquote(parts.path))
            if match is None or method not in verb:
                continue
            self.steps.append(step)
            if self.down:
                return _fault(503, "the hub is down")
            self.before(step)
            query = parse_qs(parts.query)
            request = Request(step, method, path, query, token, body, match)
            with self._lock:
                answer = self._refusal(request) or carry_out(self, request)
            self.after(step)
            return answer
        self.steps.append(f"unknown {method} {path}")
        return _fault(404, "no such route")

    def _refusal(self, request: Request) -> Answer | None:
        """Why whoever asks may not have it."""
        if request.step in _FREE:
            return None
        role = self.tokens.get(request.token or "")
        if request.token and role is None:
            return _fault(401, "Invalid credentials in Authorization header")
        name = request.match.groupdict().get("repository")
        repository = self.repositories.get(name) if name else None
        if request.step in _WRITING:
            team = (name or request.json.get("namespace") or request.json["organization"]).split(
                "/"
            )[0]
            if role != "write" or team != "team":
                return _fault(403, f"you may not write to {team}")
        if name and (repository is None or (repository.private and role is None)):
            return _fault(401 if role is None else 404, "Repository not found", **_NO_REPOSITORY)
        return None

    def create_repository(self, request: Request) -> Answer:
        name = f"{request.json['organization']}/{request.json['name']}"
        content = {"url": f"{self.endpoint}/{name}", "name": name}
        if name in self.repositories:
            return _json(content | {"error": "You already created this model repo"}, 409)
        self.create(name, private=request.json["visibility"] == "private")
        return _json(content)

    def info(self, request: Request) -> Answer:
        repository = self._repository(request)
        commit = repository.at(request.match.groupdict().get("revision") or "main")
        if commit is None:
            return _fault(404, "no such revision", **{"X-Error-Code": "RevisionNotFound"})
        siblings = [{"rfilename": name} for name in commit.files]
        content = {"id": request.match["repository"], "sha": commit.id, "siblings": siblings}
        return _json(content | {"private": repository.private})

    def history(self, request: Request) -> Answer:
        commits = self._repository(request).commits[::-1]
        first = int(request.query.get("p", ["0"])[0]) * _COMMITS_A_PAGE
        page = commits[first : first + _COMMITS_A_PAGE]
        following = first // _COMMITS_A_PAGE + 1
        url = f"{self.endpoint}{request.path.partition('?')[0]}?p={following}"
        more = first + _COMMITS_A_PAGE < len(commits)
        content = [
            {
                "id": one.id,
                "title": one.title,
                "message": one.message,
                "date": _TIME,
                "authors": [{"user": "team"}],
            }
            for one in page
        ]
        links = {"Link": f'<{url}>; rel="next"'} if more else {}
        return _json(content, 200, **links)

    def refs(self, request: Request) -> Answer:
        repository = self._repository(request)
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.head.id}
        tags = [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit}
            for name, commit in repository.tags.items()
        ]
        return _json({"branches": [main], "converts": [], "tags": tags, "pullRequests": []})

    def tree(self, request: Request) -> Answer:
        commit = self._repository(request).at(request.match["revision"])
        if commit is None:
            return _fault(404, "no such revision", **{"X-Error-Code": "RevisionNotFound"})
        return _json([_entry(name, content) for name, content in commit.files.items()])

    def resolve(self, request: Request) -> Answer:
        commit = self._repository(request).at(request.match["revision"])
        if commit is None or request.match["file"] not in commit.files:
            return _fault(404, "no such file", **{"X-Error-Code": "EntryNotFound"})
        content = commit.files[request.match["file"]]
        return Answer(200, content, {"X-Repo-Commit": commit.id, "ETag": f'"{_blob(content)}"'})

    def validate(self, request: Request) -> Answer:
        """The metadata at the head of a card has to be YAML."""
        found = re.match(r"---\n(.*?)\n---\n", request.json["content"], re.S)
        try:
            yaml.safe_load(found[1] if found else "")
        except yaml.YAMLError as error:
            return _json({"errors": [{"message": str(error)}], "warnings": []}, 400)
        return _json({"errors": [], "warnings": []})

    def preupload(self, request: Request) -> Answer:
        there = self._repository(request).head.files
        return _json({"files": [_upload_mode(one["path"], there) for one in request.json["files"]]})

    def batch(self, request: Request) -> Answer:
        name = request.match["repository"]
        objects = []
        for one in request.json["objects"]:
            described = {"oid": one["oid"], "size": one["size"], "authenticated": True}
            if one["oid"] not in self.stored:
                base = f"{self.endpoint}/storage/{name}"
                upload = {"href": f"{base}/{one['oid']}?signature=secret", "header": {}}
                described["actions"] = {"upload": upload, "verify": {"href": f"{base}/verify"}}
            objects.append(described)
        return _json({"transfer": "basic", "objects": objects})

    def upload(self, request: Request) -> Answer:
        if _sha(request.body) != request.match["oid"] or request.query.get("signature") is None:
            return _fault(400, "not what was announced")
        self.stored[request.match["oid"]] = request.body
        return Answer(200)

    def verify(self, request: Request) -> Answer:
        content = self.stored.get(request.json["oid"])
        return Answer(200) if content and len(content) == request.json["size"] else Answer(404)

    def commit(self, request: Request) -> Answer:
        repository = self._repository(request)
        lines = [json.loads(line) for line in request.body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit", repository.head.id) != repository.head.id:
            return _fault(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repository.head.files)
        for line in lines[1:]:
            key, value = line["key"], line["value"]
            if key == "deletedFile":
                if value["path"] not in files:
                    return _fault(404, "A file with this name doesn't exist")
                del files[value["path"]]
            elif key == "lfsFile":
                if value["oid"] not in self.stored:
                    return _fault(400, f"LFS pointer to an unknown object: {value['oid']}")
                files[value["path"]] = self.stored[value["oid"]]
            else:
                assert (key, value["encoding"]) == ("file", "base64")
                files[value["path"]] = base64.b64decode(value["content"])
        made = repository.add(header["summary"], header["description"], files)
        url = f"{self.endpoint}/{request.match['repository']}/commit/{made.id}"
        return _json({"success": True, "commitOid": made.id, "commitUrl": url})

    def tag(self, request: Request) -> Answer:
        repository = self._repository(request)
        commit = repository.at(request.match["revision"])
        if request.json["tag"] in repository.tags:
            return _fault(409, "Tag reference exists already")
        if commit is None:
            return _fault(404, "no such revision", **{"X-Error-Code": "RevisionNotFound"})
        repository.tags[request.json["tag"]] = commit.id
        return _json({})

    def settings(self, request: Request) -> Answer:
        self._repository(request).private = request.json["visibility"] == "private"
        return _json({})

    def create_collection(self, request: Request) -> Answer:
        title, owner = request.json["title"], request.json["namespace"]
        slug = f"{owner}/{title.lower()}-{_sha(title.encode())[:24]}"
        if slug in self.collections:
            return _json({"error": "exists", "slug": slug}, 409)
        self.collections[slug] = {
            "slug": slug,
            "title": title,
            "owner": owner,
            "items": [],
            "lastUpdated": _TIME,
            "position": 0,
            "private": request.json["private"],
            "theme": "green",
            "upvotes": 0,
        }
        return _json(self.collections[slug])

    def collection(self, request: Request) -> Answer:
        return _json(self.collections[request.match["slug"]])

    def add_item(self, request: Request) -> Answer:
        collection, item = self.collections[request.match["slug"]], request.json["item"]
        if item["id"] in [one["id"] for one in collection["items"]]:
            return _fault(409, "Item already in collection")
        place = len(collection["items"])
        collection["items"].append({"_id": f"{place:024}", "position": place, **item})
        return _json(collection)

    def _repository(self, request: Request) -> Repository:
        return self.repositories[request.match["repository"]]


def _entry(name: str, content: bytes) -> dict[str, Any]:
    described = {"type": "file", "path": name, "size": len(content), "oid": _blob(content)}
    if not name.endswith(_LARGE):
        return described
    lfs = {"oid": _sha(content), "size": len(content), "pointerSize": 133}
    return described | {"lfs": lfs}


def _upload_mode(path: str, there: Mapping[str, bytes]) -> dict[str, Any]:
    is_large = path.endswith(_LARGE)
    known = there.get(path)
    oid = None if known is None else _sha(known) if is_large else _blob(known)
    mode = "lfs" if is_large else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}


_NAME = "(?P<repository>[^/]+/[^/]+)"
_API = f"/api/models/{_NAME}"
_ROUTES: tuple[tuple[str, tuple[str, ...], str, Callable[[TeamHub, Request], Answer]], ...] = (
    ("create", ("POST",), "/api/repos/create", TeamHub.create_repository),
    ("info", ("GET",), _API, TeamHub.info),
    ("info", ("GET",), f"{_API}/revision/(?P<revision>.+)", TeamHub.info),
    ("history", ("GET",), f"{_API}/commits/main", TeamHub.history),
    ("refs", ("GET",), f"{_API}/refs", TeamHub.refs),
    ("tree", ("GET",), f"{_API}/tree/(?P<revision>[^/]+)", TeamHub.tree),
    (
        "resolve",
        ("GET", "HEAD"),
        f"/{_NAME}/resolve/(?P<revision>[^/]+)/(?P<file>.+)",
        TeamHub.resolve,
    ),
    ("validate", ("POST",), "/api/validate-yaml", TeamHub.validate),
    ("preupload", ("POST",), f"{_API}/preupload/main", TeamHub.preupload),
    ("batch", ("POST",), rf"/{_NAME}\.git/info/lfs/objects/batch", TeamHub.batch),
    ("verify", ("POST",), f"/storage/{_NAME}/verify", TeamHub.verify),
    ("upload", ("PUT",), f"/storage/{_NAME}/(?P<oid>[0-9a-f]+)", TeamHub.upload),
    ("commit", ("POST",), f"{_API}/commit/main", TeamHub.commit),
    ("tag", ("POST",), f"{_API}/tag/(?P<revision>.+)", TeamHub.tag),
    ("settings", ("PUT",), f"{_API}/settings", TeamHub.settings),
    ("collection", ("POST",), "/api/collections", TeamHub.create_collection),
    ("collection", ("GET",), "/api/collections/(?P<slug>[^/]+/[^/]+)", TeamHub.collection),
    ("item", ("POST",), "/api/collections/(?P<slug>[^/]+/[^/]+)/items", TeamHub.add_item),
)
_FREE = ("upload", "validate")
"""Steps that need no token: the URL to upload to is secret itself."""
_WRITING = ("create", "preupload", "batch", "verify", "commit", "tag", "settings")
_NO_REPOSITORY = {"X-Error-Code": "RepoNotFound"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: TeamHub, *args: Any) -> None:
        self.hub = hub
        super().__init__(*args)

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def _serve(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        answer = self.hub.answer(self.command, self.path, token, self._body())
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content)
        except ConnectionError:  # whoever asked was killed
            self.close_connection = True

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nothing: stderr belongs to the tests."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing where whoever asked was killed."""


@contextmanager
def team_hub() -> Iterator[TeamHub]:
    """A hub that serves on a free port of this machine while the block runs."""
    hub = TeamHub()
    server = _Server(("127.0.0.1", 0), partial(_Handler, hub))
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
