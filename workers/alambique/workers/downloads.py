"""The files of a registered version, brought from the artifacts to this machine and checked."""

import hashlib
from pathlib import Path

import fsspec

from alambique.registry.records import Version
from alambique.spec.errors import BadModel
from alambique.spec.settings import Settings
from alambique.workers.files import build_folder


def fetch_model(settings: Settings, version: Version) -> Path:
    """The folder of a version's files, each with the hash that it was registered with."""
    folder = settings.home.absolute() / "downloads" / str(version.id)
    return build_folder(folder, lambda into: _fetch(settings, version, into))


def _fetch(settings: Settings, version: Version, into: Path) -> None:
    root = f"{settings.artifact_root.rstrip('/')}/{version.artifact}"
    system, base = fsspec.core.url_to_fs(root)
    for file in version.files:
        content: bytes = system.cat_file(f"{base}/{file.name}")
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise BadModel(
                f"{version.name}@{version.number}: {file.name} in the artifacts is not what was "
                "registered (sha256 differs): restore it from a backup, or train the model again"
            )
        (into / file.name).write_bytes(content)
