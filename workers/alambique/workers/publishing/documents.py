"""What is written beside the files of a published version, from its card to its signature."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from alambique.models.configs import read_config
from alambique.spec.settings import Settings
from alambique.workers.publishing import bill_of_materials, card, provenance, signing
from alambique.workers.publishing.licence_links import LicenceSources, release_chain, teacher_chain
from alambique.workers.publishing.licences import LicenceChain, check_chain
from alambique.workers.publishing.published_files import PUBLIC_KEY, SIGNATURE
from alambique.workers.publishing.release import Release
from alambique.workers.publishing.staging import Document


def card_files(folder: Path, release: Release, settings: Settings) -> Mapping[str, bytes]:
    """Return the card with its pictures, and the licences.

    Raises:
        BadLicence: the licence chain forbids it, and nobody overrides that.
        UnknownName, Unreachable: a licence cannot be read.
    """
    chain = _chain(release, settings)
    check_chain(chain, f"{release.version.name}@{release.version.number}")
    return card.documents(release, chain)


def provenance_file(folder: Path, release: Release, settings: Settings) -> Mapping[str, bytes]:
    """Return what the version was made of and by, with all numbers that may be printed of it."""
    content = provenance.document(release, _chain(release, settings))
    return {provenance.PROVENANCE: content}


def bill_file(folder: Path, release: Release, settings: Settings) -> Mapping[str, bytes]:
    """Return the bill of materials, which lists every file that was written before."""
    chain, version = _chain(release, settings), release.version
    licences = {f"{version.name}@{version.number}": chain.expression}
    if release.teachers:
        taught = teacher_chain(release, _sources(settings)).expression
        licences |= {f"{each.name}@{each.number}": taught for each in release.teachers}
    files = {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    content = bill_of_materials.document(
        release,
        licences,
        files,
        links=chain.links,
        config=read_config(folder),
    )
    return {bill_of_materials.BILL_OF_MATERIALS: content}


def public_key_file(folder: Path, release: Release, settings: Settings) -> Mapping[str, bytes]:
    """Return the public half of the key that signs; nothing where there is no key."""
    key = settings.signing_key
    return {} if key is None else {PUBLIC_KEY: signing.public_key(key)}


def signature_file(folder: Path, release: Release, settings: Settings) -> Mapping[str, bytes]:
    """Return the signature of all files that were written before; nothing without a key."""
    key = settings.signing_key
    return {} if key is None else {SIGNATURE: signing.signature(folder, key)}


DOCUMENTS: tuple[Document, ...] = (
    card_files,
    provenance_file,
    bill_file,
    public_key_file,
    signature_file,
)
"""All of them, in the order in which they are written."""


def _chain(release: Release, settings: Settings) -> LicenceChain:
    return release_chain(release, _sources(settings))


def _sources(settings: Settings) -> LicenceSources:
    return LicenceSources(settings.models, settings.home.absolute() / "hub")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
