"""Signatures of folders: they hold for the very files, by the very key, and for nothing else."""

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import pytest

from alambique.spec.errors import BadModel, BadSpec
from alambique.workers.publishing import signing
from alambique.workers.publishing.published_files import SIGNATURE, list_files
from alambique.workers.publishing.signing import BadSignature, Signed


@pytest.fixture
def signed(tmp_path: Path, keys: Path) -> Path:
    """A folder of three files, signed."""
    folder = tmp_path / "signed"
    (folder / "pictures").mkdir(parents=True)
    for name in ("README.md", "model.safetensors", "pictures/front.svg"):
        (folder / name).write_text(name)
    signing.sign(folder, keys / "ours.pem")
    return folder


def verified(folder: Path, key: Path) -> Signed:
    return signing.verify(list_files(folder), key)


def with_payload(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Edit what is signed, under the signature as it is."""
    bundle = json.loads((folder / SIGNATURE).read_text())
    envelope = bundle["dsseEnvelope"]
    payload = json.loads(base64.b64decode(envelope["payload"]))
    edit(payload)
    envelope["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    (folder / SIGNATURE).write_text(json.dumps(bundle, separators=(",", ":")))


def test_a_signature_is_of_all_files_and_tells_its_key(signed: Path, keys: Path) -> None:
    found = verified(signed, keys / "ours.pub")
    names = {"README.md", "model.safetensors", "pictures/front.svg", "signing_key.pub"}
    assert found.hashes.keys() == names
    by_openssl = "openssl pkey -pubin -in ours.pub -pubout | openssl dgst -sha256 -r"
    told = subprocess.run(by_openssl, shell=True, cwd=keys, capture_output=True, check=True).stdout
    assert found.fingerprint == told.decode().split()[0]
    # signed again over what is there, it is as good
    signing.sign(signed, keys / "ours.pem")
    assert verified(signed, signed / "signing_key.pub") == found


def test_model_signing_itself_verifies_the_folder(signed: Path, keys: Path) -> None:
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(signed)]
    command += ["--signature", str(signed / SIGNATURE), "--public_key", str(keys / "ours.pub")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_is_asked_of_a_network_and_nothing_is_printed(
    signed: Path,
    keys: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise AssertionError("a network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    signing.sign(signed, keys / "ours.pem")
    verified(signed, keys / "ours.pub")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "README.md").write_text("other"),
        lambda folder: (folder / "README.md").unlink(),
        lambda folder: (folder / "run.py").write_text("print()"),
        lambda folder: (folder / SIGNATURE).write_text("{}"),
        lambda folder: (folder / SIGNATURE).write_text("[" * 100_000),
        lambda folder: (folder / SIGNATURE).write_text((folder / SIGNATURE).read_text() + "\n"),
        lambda folder: with_payload(folder, lambda payload: payload.update(predicateType="x")),
        lambda folder: with_payload(
            folder, lambda payload: payload["predicate"]["resources"].pop()
        ),
        lambda folder: with_payload(folder, lambda payload: payload.pop("predicate")),
    ],
)
def test_what_was_changed_is_refused(
    signed: Path, keys: Path, change: Callable[[Path], object]
) -> None:
    change(signed)
    with pytest.raises(BadSignature):
        verified(signed, keys / "ours.pub")


def test_another_key_is_refused(signed: Path, keys: Path) -> None:
    with pytest.raises(BadSignature, match="Key mismatch"):
        verified(signed, keys / "theirs.pub")


def test_a_signature_without_its_keys_hash_is_refused(signed: Path, keys: Path) -> None:
    bundle = json.loads((signed / SIGNATURE).read_text())
    del bundle["verificationMaterial"]["publicKey"]["hint"]
    (signed / SIGNATURE).write_text(json.dumps(bundle, separators=(",", ":")))
    with pytest.raises(BadSignature):
        verified(signed, keys / "ours.pub")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", "./a", "a\\..\\b", ""])
def test_a_list_that_names_a_file_outside_is_refused(signed: Path, keys: Path, name: str) -> None:
    def outside(payload: dict[str, Any]) -> None:
        payload["predicate"]["resources"][0]["name"] = name

    with_payload(signed, outside)
    with pytest.raises(BadSignature, match="outside"):
        verified(signed, keys / "ours.pub")


def test_a_signer_cannot_have_files_passed_by(signed: Path, keys: Path) -> None:
    """As model-signing lets the signature itself say."""
    model_signing: Any = import_module("model_signing")
    (signed / "run.py").write_text("print()")
    hashing = model_signing.hashing.Config().set_ignored_paths(paths=["run.py", SIGNATURE])
    config = model_signing.signing.Config().use_elliptic_key_signer(private_key=keys / "ours.pem")
    config.set_hashing_config(hashing).sign(signed, signed / SIGNATURE)
    with pytest.raises(BadSignature, match=r"run\.py is not signed"):
        verified(signed, keys / "ours.pub")


@pytest.mark.parametrize(
    "make",
    [
        "openssl genrsa -out key.pem 2048",
        "openssl ecparam -name secp256k1 -genkey -noout -out key.pem",
        "openssl ecparam -name prime256v1 -genkey | openssl ec -aes256 -passout pass:x > key.pem",
        "printf 'not a key: hunter2' > key.pem",
    ],
)
def test_a_key_that_cannot_sign_is_refused_and_not_told(
    signed: Path, tmp_path: Path, make: str
) -> None:
    subprocess.run(make, shell=True, cwd=tmp_path, check=True, capture_output=True)
    with pytest.raises(BadSpec, match="ALAMBIQUE_SIGNING_KEY") as refused:
        signing.signature(signed, tmp_path / "key.pem")
    assert "hunter2" not in f"{refused.value!r} {refused.value.__cause__!r}"
    assert refused.value.__suppress_context__


def test_a_missing_private_key_and_a_public_key_that_is_none_are_refused(
    signed: Path, tmp_path: Path, keys: Path
) -> None:
    with pytest.raises(BadSpec, match="ALAMBIQUE_SIGNING_KEY"):
        signing.public_key(tmp_path / "nowhere.pem")
    with pytest.raises(BadSpec, match="public key"):
        verified(signed, keys / "ours.pem")


def test_a_list_of_files_takes_no_links_and_no_end_of_files(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1001):
        (folder / str(number)).touch()
    with pytest.raises(BadModel, match="more than 1000"):
        list_files(folder)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "link").symlink_to(folder, target_is_directory=True)
    with pytest.raises(BadModel, match="is a link"):
        list_files(tmp_path / "one")
