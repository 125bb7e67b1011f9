"""A model from wherever it is: a folder, a server of this platform, or a hub."""

import hashlib
import json
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit

from alambique.runtime.about import ABOUT
from alambique.runtime.engines import ONNX_FILE, OPENVINO_FILE, OPENVINO_WEIGHTS
from alambique.runtime.model import Model
from alambique.spec.errors import BadModel, BadSpec, MissingExtra, UnknownName, Unreachable

MOST_BYTES = 4 * 2**30
"""Of all files of a model together, unless more is allowed."""
_FILES = (
    *(ABOUT, "config.json", "tokenizer.json", "tokenizer_config.json"),
    *(ONNX_FILE, OPENVINO_FILE, OPENVINO_WEIGHTS),
)
"""What of a version the runtime reads; nothing else is fetched."""
_LISTING_BYTES = 10 * 2**20
_PIECE = 2**20
_SECONDS = 60
"""Without a byte, after which a server counts as away."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a model elsewhere."""

    name: str
    url: str
    size: int
    algorithm: str
    """Of its hash: sha256, or git's own of what is small."""
    digest: str


def load(
    source: str | Path,
    *,
    threads: int | None = None,
    cache: Path | None = None,
    token: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> Model:
    """Return a model, ready to answer.

    Args:
        source: a folder; the URL of a version on a server of this platform, such as
            https://host/v1/models/ner/versions/3; or hub:team/name, with @revision if need be.
        threads: that one call may use; all processors where not given.
        cache: where what is fetched is kept; `~/.alambique/models` where not given.
        token: for the server or the hub.
        most_bytes: that all files together may have.

    Raises:
        BadModel: a file is missing, larger than was said, or has another hash than was said.
        BadSpec: the source is none of these.
        UnknownName: the server or the hub has no such model.
        Unreachable: it does not answer.
        MissingExtra: the model's engine is not installed.
    """
    return Model.from_folder(
        fetch(source, cache=cache, token=token, most_bytes=most_bytes), threads=threads
    )


def fetch(
    source: str | Path,
    *,
    cache: Path | None = None,
    token: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> Path:
    """Return the folder of a model, fetched where it is not here. Arguments and errors: `load`."""
    text = str(source)
    cache = cache or Path.home() / ".alambique" / "models"
    if text.startswith("hub:"):
        return _fetch_all(_hub_files(text, token), text, cache, token, most_bytes)
    if "://" in text:
        return _fetch_all(_version_files(text, token), text, cache, token, most_bytes)
    folder = Path(source)
    if not folder.is_dir():
        raise BadSpec(
            f"{text!r} is no folder here: give a folder, https://host/v1/models/NAME/versions/N, "
            "or hub:team/name"
        )
    return folder


def _version_files(url: str, token: str | None) -> list[RemoteFile]:
    """Return the files of a version, as its server lists them."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise BadSpec(f"{url!r}: models are fetched by https alone, but from this machine itself")
    content = _read_json(url, token)
    try:
        return [
            RemoteFile(
                name=file["name"],
                url=f"{url.rstrip('/')}/files/{quote(file['name'])}",
                size=int(file["size"]),
                algorithm="sha256",
                digest=file["sha256"],
            )
            for file in content["files"]
            if file["name"] in _FILES
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise BadModel(
            f"{url} lists no files of a version: give https://host/v1/models/NAME/versions/N"
        ) from error


def _hub_files(source: str, token: str | None) -> list[RemoteFile]:
    """Return the files of a repository at the commit that its revision is now."""
    try:
        from huggingface_hub import HfApi, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise MissingExtra(
            "huggingface_hub is not installed, which models of the hub are fetched with: "
            "pip install huggingface_hub"
        ) from error
    repository, _, revision = source.removeprefix("hub:").partition("@")
    try:
        info = HfApi(token=token or False).model_info(
            repository, revision=revision or None, files_metadata=True, timeout=_SECONDS
        )
    except (HfHubHTTPError, HFValidationError) as error:
        raise UnknownName(f"{source}: {error}. Check id, revision and token") from error
    except OSError as error:
        raise Unreachable(f"{source}: the hub does not answer ({error}); try again") from error
    return [
        RemoteFile(
            name=file.rfilename,
            url=hf_hub_url(repository, file.rfilename, revision=info.sha),
            size=file.size or 0,
            # what is stored as a large file has a hash of its content, all else that of git
            algorithm="sha256" if file.lfs else "git",
            digest=(file.lfs.sha256 if file.lfs else file.blob_id) or "",
        )
        for file in info.siblings or ()
        if file.rfilename in _FILES
    ]


def _fetch_all(
    files: list[RemoteFile], source: str, cache: Path, token: str | None, most_bytes: int
) -> Path:
    """Return the folder of a model's files, which appears once all of them are right."""
    size = sum(file.size for file in files)
    if size > most_bytes:
        raise BadModel(
            f"{source} has {size:,} bytes, and at most {most_bytes:,} are fetched: give a larger "
            "most_bytes if you trust it"
        )
    if not any(file.name == ABOUT for file in files):
        raise BadModel(f"{source} has no {ABOUT}: it is no model that this platform published")
    content = json.dumps(sorted((file.name, file.digest) for file in files))
    folder = cache / hashlib.sha256(content.encode()).hexdigest()
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=cache) as temporary:
        whole = Path(temporary) / "whole"
        whole.mkdir()
        for file in files:
            _fetch_file(file, whole / file.name, token)
        try:
            whole.replace(folder)
        except OSError:  # another process was first
            if not folder.is_dir():
                raise
    return folder


def _fetch_file(file: RemoteFile, path: Path, token: str | None) -> None:
    if file.algorithm == "sha256":
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    size = 0
    with _open(file.url, token) as response, path.open("wb") as written:
        while piece := response.read(_PIECE):
            size += len(piece)
            if size > file.size:
                break
            digest.update(piece)
            written.write(piece)
    if size != file.size or digest.hexdigest() != file.digest:
        raise BadModel(
            f"{file.url} came with {size} bytes and hash {digest.hexdigest()}, expected were "
            f"{file.size} bytes and {file.digest}: it was damaged on its way; try again"
        )


def _read_json(url: str, token: str | None) -> Any:
    with _open(url, token) as response:
        content = response.read(_LISTING_BYTES + 1)
    if len(content) > _LISTING_BYTES:
        raise BadModel(f"{url} answers with more than {_LISTING_BYTES:,} bytes: it is no version")
    try:
        return json.loads(content)
    except ValueError as error:
        raise BadModel(f"{url} does not answer with JSON: it is no version") from error


@contextmanager
def _open(url: str, token: str | None) -> Iterator[IO[bytes]]:
    """Open a URL; the token goes to its own host alone, not to where that sends us."""
    request = urllib.request.Request(url)
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            yield response
    except HTTPError as error:
        refused = 400 <= error.code < 500 and error.code != 429
        kind = UnknownName if refused else Unreachable
        raise kind(f"{url} answers {error.code} {error.reason}: check URL and token") from error
    except (OSError, HTTPException) as error:
        raise Unreachable(f"{url} does not answer ({error}): try again") from error
