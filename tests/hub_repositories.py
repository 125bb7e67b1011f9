"""Repositories of a hub on this machine: commits, tags, and how files are listed and uploaded."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_LARGE = (".safetensors", ".onnx", ".bin")


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
        said = json.dumps(
            [parent, title, message, {name: sha256_of(files[name]) for name in files}]
        )
        made = Commit(hashlib.sha1(said.encode()).hexdigest(), title, message, dict(files))
        self.commits.append(made)
        return made


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def tree_entry(name: str, content: bytes) -> dict[str, Any]:
    described = {"type": "file", "path": name, "size": len(content), "oid": blob_id(content)}
    if not name.endswith(_LARGE):
        return described
    lfs = {"oid": sha256_of(content), "size": len(content), "pointerSize": 133}
    return described | {"lfs": lfs}


def upload_mode(path: str, there: Mapping[str, bytes]) -> dict[str, Any]:
    is_large = path.endswith(_LARGE)
    known = there.get(path)
    oid = None if known is None else sha256_of(known) if is_large else blob_id(known)
    mode = "lfs" if is_large else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}
