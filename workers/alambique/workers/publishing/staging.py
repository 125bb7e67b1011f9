"""The folder of a version as it is published: built from its files, completed, and checked."""

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from alambique.models.weights import TOKENIZER_FILES, check_finite, weights_hash
from alambique.registry.records import Version
from alambique.runtime.about import ABOUT, read_about
from alambique.runtime.engines import ONNX_FILE
from alambique.spec.errors import BadModel, Conflict
from alambique.spec.excerpts import named
from alambique.spec.settings import Settings
from alambique.workers.files import sync
from alambique.workers.publishing.card import LICENCES
from alambique.workers.publishing.release import Published, Release
from alambique.workers.stages.artifacts import fetch_model

Document = Callable[[Path, Release, Settings], Mapping[str, bytes]]
"""Returns files about a release, by their names, of its folder as it stands."""

MOST_DOCUMENT_BYTES = 5 * 2**20
"""Of a file that is no network and no tokenizer: the hub shows no larger ones."""
MOST_BYTES = 50 * 10**9
"""Of any file: the hub takes no larger ones."""

_NETWORK = re.compile(
    r"config\.json|model\.onnx|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json"
    r"|model(-[0-9]{5}-of-[0-9]{5})?\.safetensors|model\.safetensors\.index\.json|alambique\.json"
)
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_DOCUMENTS = re.compile(
    r"README(\.[a-z]{2})?\.md|LICENSES\.md|LICENSE(\.[A-Za-z0-9.-]{1,60})?|NOTICE"
    rf"|LICENSES/{_WORD}\.txt|(pictures/)?{_WORD}\.svg"
    r"|provenance\.json|bom(\.cdx)?\.json|model\.sig|signing_key\.pub"
)


def stage(
    settings: Settings,
    release: Release,
    folder: Path,
    *,
    documents: tuple[Document, ...] = (),
) -> None:
    """Build the folder of a release, whole and checked, on this disk.

    Both plain transformers and `alambique.runtime` load it: the files of an engine are those of
    the network's quickest form, which shares its tokenizer and its config.

    Args:
        settings: of this process.
        release: what is published.
        folder: where; it is not there yet.
        documents: what is written beside the weights, each of the folder as those before have
            left it.

    Raises:
        BadModel: files in the artifacts are not those that were registered, or do not fit together.
        Conflict: a file would be published that is none of those that may be.
    """
    folder.mkdir(parents=True)
    _copy_files(settings, release.version, folder)
    if release.engine_file is not None:
        _add_engine_file(settings, release.engine_file, folder)
    for document in documents:
        _write(folder, document(folder, release, settings))
    check_folder(folder, release.version)
    sync(folder)


def is_publishable(name: str) -> bool:
    """Return whether a file of that name may be published, relative to its folder.

    >>> [is_publishable(name) for name in ("model.safetensors", "pictures/front.svg", "a.py")]
    [True, True, False]
    """
    return bool(_NETWORK.fullmatch(name) or _DOCUMENTS.fullmatch(name))


def check_folder(folder: Path, version: Version) -> None:
    """Check that a folder is what may be published of a version.

    Raises:
        BadModel: weights that are damaged, not finite, or not the version's.
        Conflict: a name that is not allowed, a link, or a file that is empty or too large.
    """
    for path in sorted(folder.rglob("*")):
        name, found = path.relative_to(folder).as_posix(), path.lstat()
        if stat.S_ISDIR(found.st_mode):
            continue
        if not stat.S_ISREG(found.st_mode):
            raise _refusal(name, "it is no plain file")
        if not is_publishable(name):
            raise _refusal(name, "its name is none of those of networks, cards and licences")
        most = MOST_BYTES if _NETWORK.fullmatch(name) else MOST_DOCUMENT_BYTES
        if not 0 < found.st_size <= most:
            raise _refusal(name, f"it has {found.st_size:,} bytes, and may have 1 to {most:,}")
    check_finite(folder)
    if weights_hash(folder) != version.weights:
        raise BadModel(
            f"the weights that would be published are not those of {version.name}@{version.number} "
            "(their hash differs): restore the artifacts from a backup, or train the model again"
        )
    read_about(folder)


def publish_to_folder(staged: Path, place: Path, release: Release) -> Published:
    """Move a staged folder to its place, by one step, and return where that is.

    A place that holds the version already is left as it is: an earlier attempt has got so far.

    Raises:
        Conflict: the place holds something else, or the card there lacks the note of a person that
            was given since.
    """
    version, note = release.version, release.publication.override
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.rename(place)
    except OSError:
        if not place.exists():
            raise
        is_held = _holds(place, version)
        # first, since the record of the release has the note as well
        if is_held and note is not None and not _is_equal(LICENCES, staged, place):
            raise Conflict(
                f"{place} is there, with a card that lacks the note: give another folder, or "
                "remove it and ask again"
            ) from None
        if not is_held or not _is_equal("provenance.json", staged, place):
            raise Conflict(
                f"{place} is there and does not hold {version.name}@{version.number}: give another "
                "folder, or remove it if nobody needs it"
            ) from None
    else:
        sync(place.parent)
    return Published(url=str(place))


def _holds(place: Path, version: Version) -> bool:
    """Return whether a folder holds the weights of a version, as they were registered."""
    weights = [file for file in version.files if file.name.endswith(".safetensors")]
    return all(_digest(place / file.name) == file.sha256 for file in weights)


def _is_equal(name: str, staged: Path, place: Path) -> bool:
    """Return whether two folders have the same file of that name, or none."""
    return _digest(staged / name) == _digest(place / name)


def _refusal(name: str, why: str) -> Conflict:
    return Conflict(
        f"{name!r} may not be published: {why}; expected config, safetensors, ONNX, tokenizer, "
        "card, licences, provenance, bill of materials, signature and pictures in SVG"
    )


def _copy_files(settings: Settings, version: Version, folder: Path) -> None:
    fetched = fetch_model(settings, version)
    for file in version.files:
        _copy(fetched / file.name, folder / file.name, file.sha256, version)


def _add_engine_file(settings: Settings, form: Version, folder: Path) -> None:
    """Add the ONNX file of another form of the network, and what the runtime reads beside it."""
    fetched = fetch_model(settings, form)
    hashes = {file.name: file.sha256 for file in form.files}
    differing = [
        name
        for name in TOKENIZER_FILES
        if name in hashes and hashes[name] != _digest(folder / name)
    ]
    if differing:
        raise BadModel(
            f"{form.name}@{form.number} has another {named(differing)} than the network that it is "
            "a form of: publish a version whose forms were made of it"
        )
    for name in (ONNX_FILE, ABOUT):
        _copy(fetched / name, folder / name, hashes[name], form)


def _copy(source: Path, target: Path, sha256: str, version: Version) -> None:
    shutil.copyfile(source, target)
    if _digest(target) != sha256:
        # what was fetched lies on this disk since, where others may have changed it
        raise BadModel(
            f"{version.name}@{version.number}: {source} is not what was registered (sha256 "
            "differs): remove its folder, and it is fetched again"
        )


def _digest(path: Path) -> str | None:
    """Return the sha256 of a file; None: it is not there."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write documents into a folder, where none of them replaces a file."""
    for name, content in files.items():
        path = folder / name
        if not _DOCUMENTS.fullmatch(name):
            raise _refusal(name, "its name is none of those of cards and licences")
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
