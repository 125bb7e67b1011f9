"""Signatures of published folders, as OpenSSF model signing writes them, with plain keys.

`model_signing` is imported where something is signed or verified: it takes most of a second, and
brings the clients of sigstore, none of which is used: nothing here asks a network.
"""

import base64
import binascii
import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alambique.models.configs import bounded_bytes
from alambique.spec.errors import BadModel, BadSpec, MissingExtra
from alambique.workers.publishing.published_files import (
    PUBLIC_KEY,
    SIGNATURE,
    PublishedFiles,
    ignored_paths,
    is_plain_name,
)

_LARGEST_SIGNATURE = 4 << 20
_LARGEST_KEY = 64 << 10


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature that holds says."""

    fingerprint: str
    """The sha256 of the public key as PEM."""
    hashes: Mapping[str, str]
    """The sha256 of each signed file, by its name."""


class BadSignature(BadModel):
    """A signature is not of the key that it is checked with, or not of these files."""

    code = "bad_signature"


def sign(folder: Path, key: Path) -> None:
    """Sign all files of a folder.

    The public key is put beside them as `signing_key.pub`, and is signed too: to check a signature
    with, not to trust it by. The signature is `model.sig`.

    Args:
        folder: all of it is signed, but for what git puts there.
        key: a private key on an elliptic curve (P-256, P-384 or P-521) in PEM, not encrypted.

    Raises:
        BadSpec: the key cannot be read, or is of another kind. Nothing is said of its content.
        MissingExtra: model-signing is not installed.
    """
    (folder / PUBLIC_KEY).write_bytes(public_key(key))
    (folder / SIGNATURE).write_bytes(signature(folder, key))


def public_key(key: Path) -> bytes:
    """Return the public half of a private key, in PEM.

    Raises:
        BadSpec: the key cannot be read, or is of another kind. Nothing is said of its content.
    """
    from cryptography.hazmat.primitives import serialization

    try:
        private = serialization.load_pem_private_key(bounded_bytes(key, _LARGEST_KEY), None)
    except Exception as error:  # whatever the library says may quote the key
        raise _bad_key(error) from None
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def signature(folder: Path, key: Path) -> bytes:
    """Return the signature of all files of a folder; an old one beside them does not count.

    Arguments and errors are those of `sign`.
    """
    signer = _import_signing()
    try:
        config = signer.signing.Config().use_elliptic_key_signer(private_key=key)
    except Exception as error:  # whatever its libraries say may quote the key
        raise _bad_key(error) from None
    hashing = signer.hashing.Config().set_ignored_paths(paths=ignored_paths())
    with tempfile.TemporaryDirectory(prefix="alambique-signature-") as place:
        path = Path(place) / SIGNATURE
        config.set_hashing_config(hashing).sign(folder, path)
        return path.read_bytes()


def verify(files: PublishedFiles, public_key: Path) -> Signed:
    """Return what the signature of a folder says, which is of that key and of these very files.

    Args:
        files: of the folder, with their hashes.
        public_key: in PEM.

    Raises:
        BadSignature: the signature is of another key, damaged, or of other files.
        BadSpec: the key is none.
        MissingExtra: model-signing is not installed.
    """
    signer = _import_signing()
    folder = files.folder
    text = _signature_text(folder)
    signed_hashes = _payload_hashes(text)
    try:
        config = signer.verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    except (ValueError, TypeError, OSError) as error:
        raise BadSpec(
            f"{public_key} is no public key on an elliptic curve in PEM: give the file that "
            "`openssl pkey -in key.pem -pubout` writes"
        ) from error
    hashing = signer.hashing.Config().set_ignored_paths(paths=ignored_paths())
    try:
        config.set_hashing_config(hashing).verify(folder, folder / SIGNATURE)
    except Exception as error:  # of its libraries, which have no kind of error in common
        raise BadSignature(
            f"the signature does not hold ({_reason(error)}): the folder is not what the holder of "
            "that key has signed"
        ) from error
    if signed_hashes != dict(files.hashes):
        raise BadSignature(_difference(signed_hashes, files.hashes))
    return Signed(fingerprint_of(_read_key(public_key)), signed_hashes)


def fingerprint_of(public_pem: str) -> str:
    """Return the fingerprint of a public key: the sha256 of its PEM as openssl writes it.

    Raises:
        BadSpec: it is no public key.
    """
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_pem_public_key(public_pem.encode())
    except Exception as error:
        raise BadSpec(f"found no public key in PEM ({type(error).__name__}): give one") from error
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(pem).hexdigest()


def _bad_key(error: Exception) -> BadSpec:
    # of the cause only its kind: its sentence may quote what the file holds
    return BadSpec(
        f"ALAMBIQUE_SIGNING_KEY names no private key that signs ({type(error).__name__}): give one "
        "on an elliptic curve in PEM, without a passphrase, as `openssl ecparam -name prime256v1 "
        "-genkey -noout` writes it"
    )


def _read_key(path: Path) -> str:
    return bounded_bytes(path, _LARGEST_KEY).decode(errors="replace")


def _signature_text(folder: Path) -> str:
    """Return the signature, which is written as model-signing writes it, byte for byte.

    JSON and base64 write the same in several ways: a byte that has changed from one way to another
    would go unseen.
    """
    from sigstore_models.bundle.v1 import Bundle

    content = bounded_bytes(folder / SIGNATURE, _LARGEST_SIGNATURE)
    try:
        text = content.decode()
        bundle = Bundle.from_json(text)
        key = bundle.verification_material.public_key
        # without the key's hash model-signing prints a warning, and verifies by whatever key it is
        is_whole = bundle.to_json() == text and key is not None and bool(key.hint)
    except (ValueError, RecursionError) as error:
        raise BadSignature(f"{folder / SIGNATURE} is no signature: fetch it again") from error
    if not is_whole:
        raise BadSignature(
            f"{folder / SIGNATURE} is not as model-signing writes one: a byte of it has changed, "
            "or another program wrote it; fetch it again"
        )
    return text


def _payload_hashes(text: str) -> dict[str, str]:
    """Return the sha256 of each file that a signature is of, by its name.

    Raises:
        BadSignature: it is of something else, or names a file outside of its folder.
    """
    try:
        envelope: dict[str, Any] = json.loads(text)["dsseEnvelope"]
        predicate = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
        method = predicate["serialization"]
        hashes = {str(each["name"]): str(each["digest"]) for each in predicate["resources"]}
        is_known = (method["method"], method["hash_type"]) == ("files", "sha256")
    except (KeyError, TypeError, ValueError, RecursionError, binascii.Error) as error:
        raise BadSignature(f"{SIGNATURE} lists no files: fetch it again") from error
    if outside := [name for name in hashes if not is_plain_name(name)]:
        raise BadSignature(
            f"{SIGNATURE} names {outside[0]!r}, outside of its folder: trust nothing of it"
        )
    if not is_known or len(hashes) != len(predicate["resources"]):
        raise BadSignature(f"{SIGNATURE} is not of whole files by their sha256: sign it anew")
    return hashes


def _difference(signed: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Return a message on the first file in which two lists differ."""
    names = sorted(signed.keys() | found.keys())
    name = next(name for name in names if signed.get(name) != found.get(name))
    if name not in signed:
        return f"{name} is not signed: fetch the whole publication into an empty folder"
    state = "is another one than was signed" if name in found else "was signed and is not there"
    return f"{name} {state}: fetch it again"


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _import_signing() -> Any:
    """Return the package model_signing, with its modules."""
    try:
        import model_signing
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{error.name} is not installed, which signatures are made and checked with: "
            "pip install 'alambique[publish]'"
        ) from error
    return model_signing
