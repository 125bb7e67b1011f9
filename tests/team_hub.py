"""A hub on this machine that teams write to: the protocol by which huggingface_hub commits.

Repositories have a history as git has one: each commit names its parent, and its id is a hash of
what it holds. Routes are those of huggingface_hub 2.4 without Xet.
"""

import base64
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from tests.hub_repositories import Repository, blob_id, sha256_of, tree_entry, upload_mode
from tests.hub_server import Answer, fault, json_answer, serving

_COMMITS_A_PAGE = 3
_TIME = "2026-01-01T00:00:00.000Z"
WRITER = "hf_writer"
"""A token that may write to the repositories of `team`."""
READER = "hf_reader"


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
                return fault(503, "the hub is down")
            self.before(step)
            query = parse_qs(parts.query)
            request = Request(step, method, path, query, token, body, match)
            with self._lock:
                answer = self._refusal(request) or carry_out(self, request)
            self.after(step)
            return answer
        self.steps.append(f"unknown {method} {path}")
        return fault(404, "no such route")

    def _refusal(self, request: Request) -> Answer | None:
        """Why whoever asks may not have it."""
        if request.step in _FREE:
            return None
        role = self.tokens.get(request.token or "")
        if request.token and role is None:
            return fault(401, "Invalid credentials in Authorization header")
        name = request.match.groupdict().get("repository")
        repository = self.repositories.get(name) if name else None
        if request.step in _WRITING:
            team = (name or request.json.get("namespace") or request.json["organization"]).split(
                "/"
            )[0]
            if role != "write" or team != "team":
                return fault(403, f"you may not write to {team}")
        if name and (repository is None or (repository.private and role is None)):
            return fault(401 if role is None else 404, "Repository not found", **_NO_REPOSITORY)
        return None

    def create_repository(self, request: Request) -> Answer:
        name = f"{request.json['organization']}/{request.json['name']}"
        content = {"url": f"{self.endpoint}/{name}", "name": name}
        if name in self.repositories:
            return json_answer(content | {"error": "You already created this model repo"}, 409)
        self.create(name, private=request.json["visibility"] == "private")
        return json_answer(content)

    def info(self, request: Request) -> Answer:
        repository = self._repository(request)
        commit = repository.at(request.match.groupdict().get("revision") or "main")
        if commit is None:
            return fault(404, "no such revision", **{"X-Error-Code": "RevisionNotFound"})
        siblings = [{"rfilename": name} for name in commit.files]
        content = {"id": request.match["repository"], "sha": commit.id, "siblings": siblings}
        return json_answer(content | {"private": repository.private})

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
        return json_answer(content, 200, **links)

    def refs(self, request: Request) -> Answer:
        repository = self._repository(request)
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.head.id}
        tags = [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit}
            for name, commit in repository.tags.items()
        ]
        return json_answer({"branches": [main], "converts": [], "tags": tags, "pullRequests": []})

    def tree(self, request: Request) -> Answer:
        commit = self._repository(request).at(request.match["revision"])
        if commit is None:
            return fault(404, "no such revision", **{"X-Error-Code": "RevisionNotFound"})
        return json_answer([tree_entry(name, content) for name, content in commit.files.items()])

    def resolve(self, request: Request) -> Answer:
        commit = self._repository(request).at(request.match["revision"])
        if commit is None or request.match["file"] not in commit.files:
            return fault(404, "no such file", **{"X-Error-Code": "EntryNotFound"})
        content = commit.files[request.match["file"]]
        return Answer(200, content, {"X-Repo-Commit": commit.id, "ETag": f'"{blob_id(content)}"'})

    def validate(self, request: Request) -> Answer:
        """The metadata at the head of a card has to be YAML."""
        found = re.match(r"---\n(.*?)\n---\n", request.json["content"], re.S)
        try:
            yaml.safe_load(found[1] if found else "")
        except yaml.YAMLError as error:
            return json_answer({"errors": [{"message": str(error)}], "warnings": []}, 400)
        return json_answer({"errors": [], "warnings": []})

    def preupload(self, request: Request) -> Answer:
        there = self._repository(request).head.files
        return json_answer(
            {"files": [upload_mode(one["path"], there) for one in request.json["files"]]}
        )

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
        return json_answer({"transfer": "basic", "objects": objects})

    def upload(self, request: Request) -> Answer:
        if (
            sha256_of(request.body) != request.match["oid"]
            or request.query.get("signature") is None
        ):
            return fault(400, "not what was announced")
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
            return fault(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repository.head.files)
        for line in lines[1:]:
            key, value = line["key"], line["value"]
            if key == "deletedFile":
                if value["path"] not in files:
                    return fault(404, "A file with this name doesn't exist")
                del files[value["path"]]
            elif key == "lfsFile":
                if value["oid"] not in self.stored:
                    return fault(400, f"LFS pointer to an unknown object: {value['oid']}")
                files[value["path"]] = self.stored[value["oid"]]
            else:
                assert (key, value["encoding"]) == ("file", "base64")
                files[value["path"]] = base64.b64decode(value["content"])
        made = repository.add(header["summary"], header["description"], files)
        url = f"{self.endpoint}/{request.match['repository']}/commit/{made.id}"
        return json_answer({"success": True, "commitOid": made.id, "commitUrl": url})

    def tag(self, request: Request) -> Answer:
        repository = self._repository(request)
        commit = repository.at(request.match["revision"])
        if request.json["tag"] in repository.tags:
            return fault(409, "Tag reference exists already")
        if commit is None:
            return fault(404, "no such revision", **{"X-Error-Code": "RevisionNotFound"})
        repository.tags[request.json["tag"]] = commit.id
        return json_answer({})

    def settings(self, request: Request) -> Answer:
        self._repository(request).private = request.json["visibility"] == "private"
        return json_answer({})

    def create_collection(self, request: Request) -> Answer:
        title, owner = request.json["title"], request.json["namespace"]
        slug = f"{owner}/{title.lower()}-{sha256_of(title.encode())[:24]}"
        if slug in self.collections:
            return json_answer({"error": "exists", "slug": slug}, 409)
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
        return json_answer(self.collections[slug])

    def collection(self, request: Request) -> Answer:
        return json_answer(self.collections[request.match["slug"]])

    def add_item(self, request: Request) -> Answer:
        collection, item = self.collections[request.match["slug"]], request.json["item"]
        if item["id"] in [one["id"] for one in collection["items"]]:
            return fault(409, "Item already in collection")
        place = len(collection["items"])
        collection["items"].append({"_id": f"{place:024}", "position": place, **item})
        return json_answer(collection)

    def _repository(self, request: Request) -> Repository:
        return self.repositories[request.match["repository"]]


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


@contextmanager
def team_hub() -> Iterator[TeamHub]:
    """A hub that serves on a free port of this machine while the block runs."""
    hub = TeamHub()
    with serving(hub.answer) as hub.endpoint:
        yield hub
