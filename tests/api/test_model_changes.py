"""What is said of versions over HTTP: aliases, tags, notes and deletion; codes and ETags."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from alambique.api.client import Client
from alambique.registry.records import JobRow, Metric, Version
from alambique.spec.errors import BadSpec, Conflict, Deleted, Stale, UnknownName
from alambique.spec.job import Job

Register = Callable[..., tuple[JobRow, Version]]
Call = Callable[..., httpx2.Response]


@pytest.fixture
def version(register: Register, job: Job) -> Version:
    return register(job)[1]


@pytest.fixture
def call(http: httpx2.Client, version: Version) -> Call:
    """Sends a request about the model of the test, whose project no other has."""

    def send(method: str, path: str = "", **options: Any) -> httpx2.Response:
        params = {"project": version.project} | options.pop("params", {})
        return http.request(method, f"/v1/models/tiny{path}", params=params, **options)

    return send


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_an_alias_from_its_setting_to_its_removal(call: Call, register: Register, job: Job) -> None:
    register(job)
    path = "/aliases/champion"
    assert code(call("GET", path)) == (404, "unknown_name")
    first = call("PUT", path, json={"version": 1})
    moved = call("PUT", path, json={"version": 2})
    assert (first.status_code, moved.status_code) == (200, 200)
    assert first.headers["ETag"] != moved.headers["ETag"]
    assert call("GET", path).json() == moved.json()
    unchanged = call("GET", path, headers={"If-None-Match": moved.headers["ETag"]})
    assert unchanged.status_code == 304
    assert call("GET", "/versions/champion").json()["number"] == 2
    removed = call("DELETE", path)
    assert [move["number"] for move in removed.json()["moves"]] == [1, 2, None]
    assert code(call("DELETE", path)) == (404, "unknown_name")
    assert call("GET", "/aliases").json()["items"] == [removed.json()]


def test_a_stale_alias_is_not_moved(call: Call, register: Register, job: Job) -> None:
    register(job)
    path = "/aliases/champion"
    for unknown in ('"1"', '"x"', 'W/"1"'):
        none = call("PUT", path, json={"version": 1}, headers={"If-Match": unknown})
        assert code(none) == (412, "stale")
    known = call("PUT", path, json={"version": 1}).headers["ETag"]
    assert call("PUT", path, json={"version": 2}, headers={"If-Match": known}).is_success
    for method, options in (("PUT", {"json": {"version": 1}}), ("DELETE", {})):
        answer = call(method, path, headers={"If-Match": known}, **options)
        assert code(answer) == (412, "stale")
    assert call("GET", path).json()["number"] == 2


@pytest.mark.parametrize(
    ("alias", "body", "expected"),
    [
        ("latest", {"version": 1}, (422, "bad_spec")),
        ("7", {"version": 1}, (422, "bad_spec")),
        ("champion", {"version": 9}, (404, "unknown_name")),
        ("champion", {"version": 0}, (422, "bad_request")),
        ("champion", {"version": "latest"}, (422, "bad_request")),
        ("champion", {"version": 1, "more": 1}, (422, "bad_request")),
        ("champion", {}, (422, "bad_request")),
    ],
)
def test_an_alias_that_cannot_be(
    call: Call, alias: str, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert code(call("PUT", f"/aliases/{alias}", json=body)) == expected


def test_a_version_changes_its_etag_with_what_is_said_of_it(call: Call) -> None:
    path = "/versions/1"
    tags = [call("GET", path).headers["ETag"]]
    for method, part, options in (
        ("PUT", "/tags/audited", {}),
        ("POST", "/notes", {"json": {"text": "good"}}),
        ("DELETE", "/tags/audited", {}),
        ("DELETE", "", {}),
    ):
        stale = call(method, f"{path}{part}", headers={"If-Match": '"old"'}, **options)
        assert code(stale) == (412, "stale")
        answer = call(method, f"{path}{part}", headers={"If-Match": tags[-1]}, **options)
        assert answer.is_success
        tags.append(answer.headers["ETag"])
    assert len(set(tags)) == len(tags)
    assert call("POST", f"{path}/restore").headers["ETag"] == tags[3]
    assert call("GET", path, headers={"If-None-Match": tags[3]}).status_code == 304
    assert (
        call("GET", path, headers={"If-None-Match": tags[0]}).json()["notes"][0]["text"] == "good"
    )


def test_a_model_has_an_etag(call: Call) -> None:
    before = call("GET").headers["ETag"]
    assert call("GET", headers={"If-None-Match": before}).status_code == 304
    call("PUT", "/versions/1/tags/audited")
    after = call("GET", headers={"If-None-Match": before})
    assert after.json()["latest"]["tags"] == ["audited"]


def test_a_deleted_version_is_gone_and_comes_back(call: Call) -> None:
    assert call("DELETE", "/versions/1").json()["deleted_at"]
    for method, path in (
        ("GET", ""),
        ("GET", "/versions/1"),
        ("GET", "/versions/latest"),
        ("GET", "/versions/1/files/config.json"),
        ("DELETE", "/versions/1"),
        ("PUT", "/versions/1/tags/x"),
    ):
        assert code(call(method, path)) == (410, "deleted")
    assert call("GET", "/versions").json()["items"] == []
    (found,) = call("GET", "/versions", params={"deleted": "true"}).json()["items"]
    assert found["number"] == 1
    assert call("POST", "/versions/1/restore").json()["deleted_at"] is None
    assert call("GET", "/versions/1").is_success


@pytest.mark.parametrize("number", ["latest", "champion"])
def test_what_is_deleted_is_said_by_its_number(call: Call, number: str) -> None:
    call("PUT", "/aliases/champion", json={"version": 1})
    assert code(call("DELETE", f"/versions/{number}")) == (422, "bad_request")
    assert code(call("DELETE", "/versions/1")) == (409, "conflict")
    assert code(call("DELETE", "/versions/2")) == (404, "unknown_name")


def test_the_client_does_all_of_it(client: Client, version: Version) -> None:
    project = version.project
    alias = client.set_alias("tiny", "champion", 1, project=project)
    with pytest.raises(Stale):
        client.set_alias("tiny", "champion", 1, project=project, expected=alias.tag + 1)
    assert client.aliases("tiny", project=project) == [alias]
    assert client.version("tiny", "champion", project=project).id == version.id
    assert client.add_tag("tiny", "champion", "ágil", project=project).tags == ["ágil"]
    assert client.models(project=project, tag="ágil").items[0].shown.id == version.id
    assert client.remove_tag("tiny", 1, "ágil", project=project).tags == []
    assert client.add_note("tiny", 1, "good", project=project).notes[0].text == "good"
    with pytest.raises(BadSpec):
        client.add_note("tiny", 1, " ", project=project)
    with pytest.raises(Conflict):
        client.delete_version("tiny", 1, project=project)
    assert client.remove_alias("tiny", "champion", project=project).number is None
    assert client.delete_version("tiny", 1, project=project).deleted_at
    with pytest.raises(Deleted):
        client.version("tiny", 1, project=project)
    assert client.models(project=project).items == []
    assert client.versions("tiny", project=project, deleted=True).items[0].number == 1
    assert client.restore_version("tiny", 1, project=project).deleted_at is None


def test_a_job_names_a_teacher_by_an_alias_and_keeps_its_number(
    client: Client, version: Version, job: Job
) -> None:
    spec = job.model_dump(mode="json") | {"teacher": {"model": "registry:tiny@champion"}}
    with pytest.raises(UnknownName):
        client.submit(spec)
    client.set_alias("tiny", "champion", 1, project=version.project)
    posted = client.submit(spec | {"student": {"start": "random", "layers": 1}})
    assert posted.spec["teacher"]["model"] == "registry:tiny@1"


@pytest.fixture
def zoo(register: Register, job: Job) -> str:
    """A project with a quick, a good and a bad model."""
    for name, f1, macs, ms in (
        ("quick", 0.7, 100, 1.0),
        ("good", 0.9, 1000, 9.0),
        ("bad", 0.6, 500, 5.0),
    ):
        metrics = [Metric("conll2002", "test", "f1", f1)]
        metrics.append(Metric("conll2002", "test", "latency_ms", ms))
        register(job, name=name, metrics=metrics, macs_full=macs, parameters=macs * 10)
    return job.project


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["bad", "good", "quick"]),
        ({"pareto": "true"}, ["good", "quick"]),
        ({"pareto": "true", "max_macs": "500"}, ["quick"]),
        ({"pareto": "true", "cost": "ms", "min_ms": "2"}, ["bad", "good"]),
        ({"metric": ["f1>=0.65", "f1<=0.8"]}, ["quick"]),
        ({"min_parameters": "5000", "max_parameters": "6e3"}, ["bad"]),
        ({"max_ms": "5", "data": "conll2002"}, ["bad", "quick"]),
        ({"data": "ancora"}, []),
        ({"tag": "audited"}, []),
        ({"task": "inference"}, []),
    ],
)
def test_models_are_listed_by_what_is_asked(
    http: httpx2.Client, zoo: str, query: dict[str, Any], names: list[str]
) -> None:
    answer = http.get("/v1/models", params={"project": zoo, **query})
    assert sorted(model["name"] for model in answer.json()["items"]) == names


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"metric": "f1"}, (422, "bad_spec")),
        ({"max_ms": "few"}, (422, "bad_request")),
        ({"pareto": "true", "cost": "money"}, (422, "bad_request")),
    ],
)
def test_what_cannot_be_asked_is_refused(
    http: httpx2.Client, query: dict[str, str], expected: tuple[int, str]
) -> None:
    assert code(http.get("/v1/models", params=query)) == expected
