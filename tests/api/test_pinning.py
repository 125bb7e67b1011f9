"""Models of the hub in a posted job: the commits that are kept, and what a plan says of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import constants

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.reading import job_of

CONFIG = {
    "model_type": "bert",
    "vocab_size": 200,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 512,
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A repository as old as BETO: its config, pickled weights, and a vocabulary."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "pytorch_model.bin").write_bytes(b"is not fetched to be planned")
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    return tmp_path


@pytest.fixture(autouse=True)
def at_hand(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library finds our hub; it reads its address when it is imported."""
    template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def posted(project: str, model: str) -> dict[str, Any]:
    return {
        "project": project,
        "task": "named-entities",
        "data": "sample-entities",
        "teacher": {"model": model, "train": {"epochs": 1}},
        "student": {"layers": 1},
    }


def test_a_posted_job_keeps_the_commit(
    http: httpx2.Client, database: Database, hub: Any, model: Path, project: str
) -> None:
    commit = hub.add("team/pinned", model, revision="refs/pr/3")
    answer = http.post("/v1/jobs", json=posted(project, "team/pinned@refs/pr/3"))
    assert answer.status_code == 202, answer.text
    with database.read() as session:
        (row,) = jobs.page(session, project=project).items
    assert row.spec["teacher"]["model"] == f"team/pinned@{commit}"


@pytest.mark.parametrize(("digits", "status"), [(7, 202), (12, 202), (6, 422)])
def test_the_first_digits_of_a_commit_are_enough(
    http: httpx2.Client,
    database: Database,
    hub: Any,
    model: Path,
    project: str,
    digits: int,
    status: int,
) -> None:
    hub.add(f"team/abbreviated-{digits}", model)
    commit = hub.add(f"team/abbreviated-{digits}", model, revision="refs/pr/3")
    named = f"team/abbreviated-{digits}@{commit[:digits]}"
    answer = http.post("/v1/jobs", json=posted(project, named))
    assert answer.status_code == status, answer.text
    with database.read() as session:
        kept = [row.spec["teacher"]["model"] for row in jobs.page(session, project=project).items]
    assert kept == ([f"team/abbreviated-{digits}@{commit}"] if status == 202 else [])


def test_the_jobs_of_a_suite_have_one_commit(
    http: httpx2.Client, database: Database, hub: Any, model: Path, project: str
) -> None:
    commit = hub.add("team/shared", model)
    one = posted(project, "team/shared")
    suite = {
        "name": "two",
        "project": project,
        "shared": {"teacher": one["teacher"]},
        "tasks": {"ner": {"task": one["task"], "data": one["data"]}},
        "students": {"a": {"layers": 1}, "b": {"layers": 2}},
    }
    answer = http.post("/v1/suites", json=suite)
    assert answer.status_code == 202, answer.text
    with database.read() as session:
        found = [row.spec["teacher"]["model"] for row in jobs.page(session, project=project).items]
    assert found == [f"team/shared@{commit}"] * 2


def test_a_plan_says_what_is_fetched_and_imported(
    http: httpx2.Client, hub: Any, model: Path, project: str
) -> None:
    commit = hub.add("team/planned", model)
    answer = http.post("/v1/jobs?dry_run=true", json=posted(project, "team/planned"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["hub"] == [
        {
            "model": f"team/planned@{commit}",
            "files": ["config.json", "pytorch_model.bin", "vocab.txt"],
            "imported": ["pytorch_model.bin", "vocab.txt"],
            "refused": None,
        }
    ]
    assert {name.rpartition("/")[2] for name in hub.fetched} == {"config.json"}


def test_a_plan_says_what_will_be_refused(
    http: httpx2.Client, hub: Any, model: Path, project: str
) -> None:
    (model / "pytorch_model.bin").rename(model / "flax_model.msgpack")
    hub.add("team/flax", model)
    answer = http.post("/v1/jobs?dry_run=true", json=posted(project, "team/flax"))
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["hub"]
    assert (found["files"], "flax_model.msgpack" in found["refused"]) == ([], True)


def test_a_revision_that_is_not_there(
    http: httpx2.Client, database: Database, hub: Any, model: Path, project: str
) -> None:
    hub.add("team/there", model)
    answer = http.post("/v1/jobs", json=posted(project, "team/there@v9"))
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_name")
    (error,) = answer.json()["errors"]
    assert (error["path"], error["found"]) == ("teacher.model", "team/there@v9")
    with database.read() as session:
        assert jobs.page(session, project=project).items == ()


def test_the_newest_version_of_the_registry_is_kept_by_its_number(
    http: httpx2.Client, register: Callable[..., Any], project: str
) -> None:
    made = job_of(posted(project, "sample-encoder"))
    register(made)
    body, key = posted(project, "registry:tiny@latest"), {"Idempotency-Key": "nightly"}
    first = http.post("/v1/jobs", json=body, headers=key)
    assert first.status_code == 202, first.text
    assert first.json()["spec"]["teacher"]["model"] == "registry:tiny@1"
    # sent again it is the same job, though the newest is another by now
    register(made)
    again = http.post("/v1/jobs", json=body, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    other = http.post("/v1/jobs", json=posted(project, "registry:tiny@1"), headers=key)
    assert other.status_code == 409


@pytest.mark.parametrize("kind", ["jobs", "suites"])
def test_what_is_sent_again_needs_no_hub(
    http: httpx2.Client, hub: Any, model: Path, project: str, kind: str
) -> None:
    hub.add("team/again", model)
    body = posted(project, "team/again")
    if kind == "suites":
        body = {
            "name": "again",
            "project": project,
            "shared": {"teacher": body["teacher"]},
            "tasks": {"ner": {"task": body["task"], "data": body["data"]}},
            "students": {"a": {"layers": 1}},
        }
    key = {"Idempotency-Key": "monday"}
    first = http.post(f"/v1/{kind}", json=body, headers=key)
    assert first.status_code == 202, first.text
    hub.repositories.clear()
    again = http.post(f"/v1/{kind}", json=body, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


def own(project: str, **said: Any) -> dict[str, Any]:
    """A job on a data set of the hub that is nobody's but the user's."""
    data = {"hub": "team/places", "columns": {"tags": "places"}, "labels": ["O", "B-LOC", "I-LOC"]}
    small = {"architecture": "bert", "layers": 2, "width": 32, "heads": 2, "ffn": 48}
    return posted(project, "mini-es") | {
        "data": data | said,
        "teacher": {"model": small, "train": {"epochs": 1}},
    }


@pytest.fixture
def places(hub: Any, tmp_path: Path) -> Path:
    """The files of a data set, whose content nobody but its loader looks at."""
    folder = tmp_path / "places"
    (folder / "data").mkdir(parents=True)
    for split in ("train", "validation", "test"):
        (folder / "data" / f"{split}-0.parquet").write_bytes(b"PAR1")
    (folder / "README.md").write_text("Places.")
    hub.add("datasets/team/places", folder)
    return folder


def test_a_posted_job_keeps_the_commit_of_its_data(
    http: httpx2.Client, database: Database, hub: Any, places: Path, project: str
) -> None:
    answer = http.post("/v1/jobs", json=own(project))
    assert answer.status_code == 202, answer.text
    with database.read() as session:
        (row,) = jobs.page(session, project=project).items
    commit = hub.commit("datasets/team/places", "main")
    assert row.spec["data"]["name"] == f"hub:team/places@{commit}"


def test_a_plan_reads_the_list_of_files_alone(
    http: httpx2.Client, hub: Any, places: Path, project: str
) -> None:
    answer = http.post("/v1/jobs?dry_run=true", json=own(project))
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    (found,) = plan["hub_data"]
    assert sorted(found["files"]) == [
        f"data/{split}-0.parquet" for split in ("test", "train", "validation")
    ]
    assert (found["count"], found["bytes"], found["refused"]) == (3, 12, None)
    assert plan["cache"]["why"]
    assert hub.fetched == []


def test_a_plan_needs_no_list_of_files(
    http: httpx2.Client, hub: Any, places: Path, project: str
) -> None:
    commit = hub.add("datasets/team/unlisted", places)
    hub.repositories.clear()
    hub.away = True
    job = own(project, hub=f"team/unlisted@{commit}")
    answer = http.post("/v1/jobs?dry_run=true", json=job)
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["hub_data"]
    assert (found["files"], found["refused"]) == ([], None)
    assert f"team/unlisted@{commit}" in found["why"]


def test_a_plan_refuses_data_that_a_program_loads(
    http: httpx2.Client, hub: Any, places: Path, project: str
) -> None:
    (places / "script.py").write_text("raise SystemExit")
    hub.add("datasets/team/script", places)
    job = own(project, hub="team/script")
    (found,) = http.post("/v1/jobs?dry_run=true", json=job).json()["hub_data"]
    assert "script.py" in found["refused"]
    assert "refs/convert/parquet" in found["refused"]


@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        ({"hub": "team/nothing"}, "data.name", "team/nothing"),
        ({"hub": "team"}, "data", "names no data set of the hub"),
        ({"columns": {"etiquetas": "places"}}, "data.columns.etiquetas", "reads words, tags"),
        ({"splits": {"train": "train[:10]"}}, "data.splits.train", ""),
    ],
)
def test_what_is_wrong_with_it_is_said_when_it_is_posted(
    http: httpx2.Client, places: Path, project: str, said: dict[str, Any], field: str, message: str
) -> None:
    answer = http.post("/v1/jobs", json=own(project, **said))
    assert answer.status_code == 422, answer.text
    (found,) = answer.json()["errors"]
    assert found["path"] == field
    assert message in found["message"]


def test_a_plan_of_data_whose_labels_nobody_knows_yet(
    http: httpx2.Client, places: Path, project: str
) -> None:
    plan = http.post("/v1/jobs?dry_run=true", json=own(project, labels=None)).json()
    assert plan["hub_data"][0]["count"] == 3
    assert plan["student"]["parameters"] > 0
    assert "2 labels" in plan["cache"]["why"]


def test_a_suite_says_where_its_data_is_not_there(
    http: httpx2.Client, places: Path, project: str
) -> None:
    one, other = own(project), own(project, hub="team/nothing")
    suite = {
        "name": "two",
        "project": project,
        "shared": {"teacher": one["teacher"]},
        "tasks": {
            name: {"task": job["task"], "data": job["data"]}
            for name, job in (("there", one), ("gone", other))
        },
        "students": {"a": {"layers": 1}},
    }
    answer = http.post("/v1/suites", json=suite)
    assert answer.status_code == 422, answer.text
    (found,) = answer.json()["errors"]
    assert found["path"] == "tasks.gone.data.name"
