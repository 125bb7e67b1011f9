"""Versions over HTTP, and their files: as they were registered, or not at all."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from alambique.api.client import Client
from alambique.registry.records import Edge, File, JobRow, Metric, Version
from alambique.spec.errors import AlambiqueError, BadModel, Conflict, UnknownName
from alambique.spec.job import Job
from alambique.spec.settings import Settings

Register = Callable[..., tuple[JobRow, Version]]
FILES = {"config.json": b'{"model_type": "bert"}', "onnx/model.onnx": bytes(range(256)) * 9000}


def put(settings: Settings, key: str, name: str, content: bytes) -> File:
    """A file among the artifacts, and how it is registered."""
    path = Path(settings.artifact_root) / key / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return File(name, hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def version(settings: Settings, register: Register, job: Job) -> Version:
    """A student with two files, made by a job that this test held."""
    key = f"{job.project}/tiny"
    _, version = register(
        job,
        artifact=key,
        details={"seed": 1},
        files=[put(settings, key, name, content) for name, content in FILES.items()],
        metrics=[Metric("conll2002", "test", "f1", 0.75, {"scheme": "IOB2"})],
        lineage=[Edge("data", hashes={"train": "1" * 64})],
    )
    return version


def test_a_version_is_told_whole(client: Client, version: Version) -> None:
    found = client.version("tiny", project=version.project)
    assert (found.id, found.number, found.role) == (version.id, 1, "student")
    assert (found.parameters, found.macs_full, found.labels) == (1234, 6000, ["O", "B-PER"])
    assert {file.name for file in found.files} == set(FILES)
    assert found.metrics[0].value == 0.75
    assert found.lineage[0].hashes == {"train": "1" * 64}
    assert client.version("tiny", 1, project=version.project) == found
    assert client.model("tiny", project=version.project).latest == found
    assert client.versions("tiny", project=version.project).items == [found]


def test_models_are_listed_by_project_and_task(client: Client, version: Version) -> None:
    found = client.models(project=version.project).items
    assert [(model.name, model.versions) for model in found] == [("tiny", 1)]
    assert client.models(project=version.project, task="question-answering").items == []


def test_a_project_sees_its_own_models(client: Client, version: Version) -> None:
    with pytest.raises(UnknownName):
        client.model("tiny", project=f"{version.project}-other")


def test_a_download_holds_every_file(client: Client, version: Version, tmp_path: Path) -> None:
    client.download("tiny", "latest", tmp_path / "model", project=version.project)
    for name, content in FILES.items():
        assert (tmp_path / "model" / name).read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_in_use_is_left_alone(client: Client, version: Version, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(Conflict):
        client.download("tiny", 1, tmp_path, project=version.project)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("content", [b"\x01" + bytes(2303999), b"short", bytes(2304001)])
def test_a_damaged_file_is_refused(
    client: Client, settings: Settings, version: Version, tmp_path: Path, content: bytes
) -> None:
    put(settings, version.artifact, "onnx/model.onnx", content)
    with pytest.raises(AlambiqueError):
        client.download("tiny", 1, tmp_path / "model", project=version.project)
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_bit_is_named(
    client: Client, settings: Settings, version: Version, tmp_path: Path
) -> None:
    content = bytearray(FILES["onnx/model.onnx"])
    content[77] ^= 1
    put(settings, version.artifact, "onnx/model.onnx", bytes(content))
    with pytest.raises(BadModel, match=r"onnx/model\.onnx"):
        client.download("tiny", 1, tmp_path / "model", project=version.project)


def test_a_lost_file_is_said_to_be_lost(
    http: httpx2.Client, settings: Settings, version: Version
) -> None:
    (Path(settings.artifact_root) / version.artifact / "config.json").unlink()
    answer = http.get(
        "/v1/models/tiny/versions/1/files/config.json", params={"project": version.project}
    )
    assert (answer.status_code, answer.json()["code"]) == (500, "lost_file")


def test_a_file_has_its_hash_for_etag(http: httpx2.Client, version: Version) -> None:
    path, query = "/v1/models/tiny/versions/1/files/config.json", {"project": version.project}
    first = http.get(path, params=query)
    assert first.content == FILES["config.json"]
    assert first.headers["ETag"] == f'"{hashlib.sha256(first.content).hexdigest()}"'
    again = http.get(path, params=query, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["../../../alambique.db", "%2e%2e/%2e%2e/alambique.db", "/etc/passwd", "onnx", ""]
)
def test_a_name_never_becomes_a_path(http: httpx2.Client, version: Version, name: str) -> None:
    answer = http.get(
        f"/v1/models/tiny/versions/1/files/{name}", params={"project": version.project}
    )
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
