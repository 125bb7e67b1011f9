"""A model from wherever it is: a folder, a server of this platform, or a hub."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alambique.runtime.about import ABOUT
from alambique.runtime.engines import ONNX_FILE, OPENVINO_FILE, OPENVINO_WEIGHTS
from alambique.runtime.model import Model
from alambique.spec.errors import BadModel, BadSpec, MissingExtra, UnknownName, Unreachable
from alambique.spec.hosts import without_password

if TYPE_CHECKING:
    from alambique.runtime.downloads import Downloader

MOST_BYTES = 4 * 2**30
"""Of all files of a model together, unless more is allowed."""
_FILES = (
    *(ABOUT, "config.json", "tokenizer.json", "tokenizer_config.json"),
    *(ONNX_FILE, OPENVINO_FILE, OPENVINO_WEIGHTS),
)
"""What of a version the runtime reads; nothing else is fetched."""
_LISTING_BYTES = 10 * 2**20
_FORMS = "a folder, https://host/v1/models/NAME/versions/N, or hub:team/name"


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
    endpoint: str | None = None,
) -> Model:
    """Return a model, ready to answer.

    Args:
        source: a folder; the URL of a version on a server of this platform, such as
            https://host/v1/models/ner/versions/3; or hub:team/name, with @revision if need be.
        threads: that one call may use; as many as this process has processors where not given.
        cache: where what is fetched is kept; `~/.alambique/models` where not given.
        token: for the server or the hub; it is sent to no other host.
        most_bytes: that all files together may have.
        endpoint: the URL of the hub; that of huggingface_hub where not given.

    Raises:
        BadModel: a file is missing, larger than was said, or has another hash than was said.
        BadSpec: the source is none of these.
        UnknownName: the server or the hub has no such model.
        Unreachable: it does not answer.
        MissingExtra: the model's engine is not installed.
    """
    folder = fetch(source, cache=cache, token=token, most_bytes=most_bytes, endpoint=endpoint)
    return Model.from_folder(folder, threads=threads)


def fetch(
    source: str | Path,
    *,
    cache: Path | None = None,
    token: str | None = None,
    most_bytes: int = MOST_BYTES,
    endpoint: str | None = None,
) -> Path:
    """Return the folder of a model; its files are fetched if the source is not a folder.

    Arguments and errors are those of `load`.
    """
    text = str(source)
    if not text.startswith("hub:") and "://" not in text:
        folder = Path(source)
        if not folder.is_dir():
            raise BadSpec(f"{text!r} is no folder here: give {_FORMS}")
        return folder
    from alambique.runtime.downloads import Downloader  # urllib: a folder needs none

    downloader = Downloader(token)
    if text.startswith("hub:"):
        files = _hub_files(text, token, endpoint)
    else:
        files = _version_files(text, downloader)
    cache = cache or Path.home() / ".alambique" / "models"
    return _fetch_all(_checked_files(files, text, most_bytes), downloader, cache)


def _version_files(url: str, downloader: "Downloader") -> list[RemoteFile]:
    """Return the files of a version, as its server lists them."""
    base, question_mark, query = url.partition("?")
    content = downloader.read_json(url, most_bytes=_LISTING_BYTES)
    try:
        return [
            RemoteFile(
                name=file["name"],
                url=f"{base.rstrip('/')}/files/{file['name']}{question_mark}{query}",
                size=int(file["size"]),
                algorithm="sha256",
                digest=file["sha256"],
            )
            for file in content["files"]
            if file["name"] in _FILES
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise BadModel(
            f"{without_password(url)} lists no files of a version: give {_FORMS}"
        ) from error


def _hub_files(source: str, token: str | None, endpoint: str | None) -> list[RemoteFile]:
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
        info = HfApi(endpoint=endpoint, token=token or False).model_info(
            repository, revision=revision or None, files_metadata=True, timeout=60
        )
    except HFValidationError as error:
        raise BadSpec(f"{source}: {error}") from error
    except HfHubHTTPError as error:
        if error.response.status_code >= 500 or error.response.status_code == 429:
            raise Unreachable(f"{source}: the hub does not answer now ({error})") from error
        raise UnknownName(f"{source}: {error}. Check id, revision and token") from error
    except Exception as error:
        # of the library's HTTP client, whose errors have no class of the standard library's
        raise Unreachable(f"{source}: the hub does not answer ({error}): try again") from error
    return [
        RemoteFile(
            name=file.rfilename,
            url=hf_hub_url(repository, file.rfilename, revision=info.sha, endpoint=endpoint),
            size=file.size or 0,
            # what is stored as a large file has a hash of its content, all else that of git
            algorithm="sha256" if file.lfs else "git",
            digest=(file.lfs.sha256 if file.lfs else file.blob_id) or "",
        )
        for file in info.siblings or ()
        if file.rfilename in _FILES
    ]


def _checked_files(files: Sequence[RemoteFile], source: str, most: int) -> Sequence[RemoteFile]:
    """Return the files, where they are a model's and not too large; nothing is fetched before."""
    if not any(file.name == ABOUT for file in files):
        raise BadModel(
            f"{without_password(source)} has no {ABOUT}: it is no model of this platform: give "
            f"{_FORMS}"
        )
    size = sum(file.size for file in files)
    if size > most:
        raise BadModel(
            f"{without_password(source)} has {size:,} bytes, and at most {most:,} are fetched: "
            "give a larger most_bytes if you trust it"
        )
    return files


def _fetch_all(files: Sequence[RemoteFile], downloader: "Downloader", cache: Path) -> Path:
    """Return the folder of a model's files, which appears once all of them are right."""
    content = json.dumps(sorted((file.name, file.digest) for file in files))
    folder = cache / hashlib.sha256(content.encode()).hexdigest()
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=cache) as temporary:
        whole = Path(temporary) / "whole"
        whole.mkdir()
        for file in files:
            _fetch_file(file, downloader, whole / file.name)
        try:
            whole.replace(folder)
        except OSError:  # another process was first
            if not folder.is_dir():
                raise
    return folder


def _fetch_file(file: RemoteFile, downloader: "Downloader", path: Path) -> None:
    digest: Any = hashlib.sha256()
    if file.algorithm == "git":
        digest = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    size = 0
    with path.open("wb") as written:
        for piece in downloader.pieces(file.url):
            size += len(piece)
            if size > file.size:
                break
            digest.update(piece)
            written.write(piece)
    if size != file.size or digest.hexdigest() != file.digest:
        raise BadModel(
            f"{without_password(file.url)} is not what was listed: {size:,} bytes with the hash "
            f"{digest.hexdigest()} instead of {file.size:,} with {file.digest}: try again"
        )
