"""The folder that is published: the registered files and no others, and folders as targets."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from safetensors.numpy import load_file, save_file
from tests.releases import Registered

from alambique.registry import tables
from alambique.registry.records import File, Publication, Version
from alambique.spec.errors import AlambiqueError, BadModel, Conflict
from alambique.spec.states import PublicationState
from alambique.workers.publishing.publisher import Publisher
from alambique.workers.publishing.release import Release, load_release
from alambique.workers.publishing.staging import check_folder, is_publishable, stage


@pytest.fixture
def release(registered: Registered, asked: Callable[..., Publication]) -> Release:
    """What is to be published."""
    row = asked("folder:pico")
    with registered.database.read() as session:
        return load_release(session, row)


@pytest.fixture
def staged(registered: Registered, release: Release, tmp_path: Path) -> Path:
    """The folder as it is staged."""
    stage(registered.settings, release, tmp_path / "staged", documents=())
    return tmp_path / "staged"


def test_documents_are_put_beside_the_weights(
    registered: Registered, release: Release, tmp_path: Path
) -> None:
    stage(
        registered.settings,
        release,
        tmp_path / "staged",
        documents=(
            lambda _, told, __: {"README.md": told.version.name.encode()},
            lambda folder, *_: {"model.sig": b" ".join(map(os.fsencode, folder.iterdir()))},
        ),
    )
    assert (tmp_path / "staged" / "README.md").read_text() == "pico"
    assert b"README.md" in (tmp_path / "staged" / "model.sig").read_bytes()


@pytest.mark.parametrize("name", ["a.py", "../README.md", "model.safetensors", "pictures/a/b.svg"])
def test_a_document_of_another_name_is_refused(
    registered: Registered, release: Release, tmp_path: Path, name: str
) -> None:
    with pytest.raises((Conflict, FileExistsError)):
        stage(
            registered.settings, release, tmp_path / "staged", documents=(lambda *_: {name: b"x"},)
        )
    assert not (tmp_path / "README.md").exists()


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("model-00001-of-00002.safetensors", True),
        ("README.en.md", True),
        ("LICENSES/Apache-2.0.txt", True),
        ("provenance.json", True),
        ("bom.cdx.json", True),
        ("signing_key.pub", True),
        ("pytorch_model.bin", False),
        ("modeling_x.py", False),
        ("a/model.safetensors", False),
        (".env", False),
        ("README.md\n", False),
    ],
)
def test_names_that_are_published(name: str, allowed: bool) -> None:
    assert is_publishable(name) is allowed


def test_links_strangers_and_empty_files_are_refused(
    staged: Path, registered: Registered, tmp_path: Path
) -> None:
    check_folder(staged, registered.version)
    (tmp_path / "secret").write_text("s")
    for name, make in (
        ("README.md", lambda path: path.symlink_to(tmp_path / "secret")),
        ("pictures", lambda path: path.symlink_to(tmp_path)),
        ("NOTICE", lambda path: path.write_bytes(b"")),
        ("LICENSE", lambda path: path.write_bytes(bytes(6 * 2**20))),
        ("run.sh", lambda path: path.write_bytes(b"x")),
        ("model.sig", os.mkfifo),
    ):
        make(staged / name)
        with pytest.raises(Conflict, match=name):
            check_folder(staged, registered.version)
        (staged / name).unlink()
    check_folder(staged, registered.version)


def test_other_weights_are_refused(staged: Path, registered: Registered) -> None:
    path = staged / "model.safetensors"
    whole = path.read_bytes()
    weights = load_file(path)
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1}, path)
    with pytest.raises(BadModel, match="hash differs"):
        check_folder(staged, registered.version)
    path.write_bytes(whole[:-10])
    with pytest.raises(BadModel):
        check_folder(staged, registered.version)


@pytest.mark.parametrize("where", ["artifacts", "downloads"])
def test_a_file_that_is_not_what_was_registered_is_refused(
    registered: Registered, release: Release, tmp_path: Path, where: str
) -> None:
    if where == "downloads":
        stage(registered.settings, release, tmp_path / "once")
    (path,) = (registered.settings.home / where).rglob("config.json")
    path.write_text(path.read_text() + " ")
    with pytest.raises(BadModel, match="sha256"):
        stage(registered.settings, release, tmp_path / "staged", documents=())


def form_of(registered: Registered, tokenizer: bytes | None = None) -> Version:
    """A form of the student as ONNX, in the artifacts, with a tokenizer of its own if given."""
    version, root = registered.version, Path(registered.settings.artifact_root)
    source, folder = root / version.artifact, root / "versions" / "form"
    folder.mkdir()
    content = {name: (source / name).read_bytes() for name in ("config.json", "tokenizer.json")}
    about = (source / "alambique.json").read_bytes()
    marked = about.rstrip().removesuffix(b"}") + b', "format": "onnx"}'
    content |= {"model.onnx": b"a network", "alambique.json": marked}
    content |= {"tokenizer.json": tokenizer} if tokenizer else {}
    for name, data in content.items():
        (folder / name).write_bytes(data)
    files = tuple(File(name, sha256(data).hexdigest(), len(data)) for name, data in content.items())
    return replace(version, id=uuid4(), name="pico-onnx", artifact="versions/form", files=files)


def test_the_quickest_form_goes_with_it(
    registered: Registered, release: Release, tmp_path: Path
) -> None:
    both = replace(release, engine_file=form_of(registered))
    stage(registered.settings, both, tmp_path / "staged")
    names = {path.name for path in (tmp_path / "staged").iterdir()}
    assert names == {file.name for file in registered.version.files} | {"model.onnx"}
    assert '"format"' in (tmp_path / "staged" / "alambique.json").read_text()


def test_a_form_with_another_tokenizer_is_refused(
    registered: Registered, release: Release, tmp_path: Path
) -> None:
    other = replace(release, engine_file=form_of(registered, b"{}"))
    with pytest.raises(BadModel, match=r"tokenizer\.json"):
        stage(registered.settings, other, tmp_path / "staged")


def test_a_folder_is_published_once_and_whole(
    asked: Callable[..., Publication], publisher: Publisher, registered: Registered
) -> None:
    row = asked("folder:family/pico")
    done = publisher.publish_next()
    assert done is not None
    place = registered.settings.home / "published" / "family" / "pico" / "v1"
    assert (done.state, done.commit) == (PublicationState.PUBLISHED, None)
    assert done.url == f"file://{socket.gethostname()}{place}"
    check_folder(place, registered.version)
    before = place.stat().st_ino
    # killed between the move and the record: the same once more
    with registered.database.write() as session:
        session.get_one(tables.Publication, row.id).state = PublicationState.WAITING
    again = publisher.publish_next()
    assert again is not None
    assert (again.state, place.stat().st_ino) == (PublicationState.PUBLISHED, before)
    assert [path.name for path in place.parent.iterdir()] == ["v1"]


def test_the_folder_of_another_model_is_left_alone(
    asked: Callable[..., Publication], publisher: Publisher, registered: Registered
) -> None:
    place = registered.settings.home / "published" / "pico" / "v1"
    place.mkdir(parents=True)
    (place / "mine").write_text("mine")
    asked("folder:pico")
    row = publisher.publish_next()
    assert row is not None
    assert row.state is PublicationState.REFUSED
    assert "another folder" in str(row.message)
    assert [path.name for path in place.iterdir()] == ["mine"]


def test_a_deleted_version_is_refused(release: Release, registered: Registered) -> None:
    with registered.database.write() as session:
        row = session.get_one(tables.Version, registered.version.id)
        row.deleted_at = row.created_at
    with registered.database.read() as session, pytest.raises(AlambiqueError):
        load_release(session, release.publication)


def test_no_torch_is_needed_to_publish() -> None:
    """The worker's process stays small: drivers are those that compute."""
    code = "import sys, alambique.workers.publishing.publisher; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
