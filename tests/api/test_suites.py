"""/v1/suites: posted, refused, read, cancelled; over HTTP and by the client."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import httpx2
import pytest
from tests.job_results import job_result, result_row

from alambique.api.client import Client
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.errors import BadSpec, UnknownName
from alambique.spec.states import State
from alambique.spec.suite import Suite, read_suite

SUITE = """
name: both
project: {project}
shared:
  teacher:
    model: {{architecture: bert, layers: 2, width: 32, heads: 2, ffn: 64}}
    train: {{epochs: 1}}
tasks:
  ner: {{task: named-entities, data: sample-entities}}
  pos: {{task: part-of-speech, data: sample-speech}}
students:
  small: {{layers: 1}}
  large: {{layers: 2}}
"""
RESULT = job_result(result_row("distilled", version="both-ner-small@1"))
Post = Callable[..., httpx2.Response]


@pytest.fixture
def text(project: str) -> str:
    return SUITE.format(project=project)


@pytest.fixture
def suite(text: str) -> Suite:
    return read_suite(text)


@pytest.fixture
def post(http: httpx2.Client) -> Post:
    """Posts the text of a suite."""

    def posted(text: str, **headers: str) -> httpx2.Response:
        sent = {"Content-Type": "application/yaml", **headers}
        return http.post("/v1/suites", content=text, headers=sent)

    return posted


def test_a_posted_suite_is_queued_and_found_where_the_answer_says(
    http: httpx2.Client, post: Post, text: str
) -> None:
    answer = post(text)
    assert answer.status_code == 202
    found = http.get(answer.headers["Location"]).json()
    assert found == answer.json()
    assert (found["states"], found["over"]) == ({"queued": 4}, False)
    assert [job["cell"]["task"] for job in found["jobs"]] == ["ner", "pos", "ner", "pos"]
    job = http.get(f"/v1/jobs/{found['jobs'][0]['id']}").json()
    assert (job["suite_id"], job["cell"]["student"]) == (found["id"], "small")


def test_a_key_sent_again_makes_no_second_suite(post: Post, text: str) -> None:
    first, again = (post(text, **{"Idempotency-Key": "monday"}) for _ in range(2))
    assert again.json()["id"] == first.json()["id"]
    other = post(f"{text}seeds: [1]\n", **{"Idempotency-Key": "monday"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("sample-entities", "sample-entitise", "unknown_name", "tasks.ner.data.name"),
        ("task: named-entities", "task: entities", "unknown_name", "tasks.ner.task"),
        (
            "model: {architecture: bert, layers: 2",
            "model: {layers: 2",
            "bad_spec",
            "shared.teacher",
        ),
        ("layers: 1", "layers: 7", "bad_spec", "students.small"),
        (
            "epochs: 1}",
            "epochs: 1}\n  objective: [{kind: logits}, {kind: hidden, mapping: [[0, 7]]}]",
            "bad_spec",
            "shared.objective.1.mapping",
        ),
        ("layers: 1", "layers: 1, start: ./here", "bad_spec", "students.small.start"),
        ("layers: 1", "layers: 1, start: gone", "unknown_name", "students.small.start"),
        ("students", "studens", "bad_spec", "students"),
    ],
)
def test_nothing_is_queued_where_one_job_cannot_be(
    http: httpx2.Client,
    post: Post,
    text: str,
    project: str,
    old: str,
    new: str,
    code: str,
    path: str,
) -> None:
    answer = post(text.replace(old, new, 1))
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == code
    assert path in [error["path"] for error in problem["errors"]] or any(
        error["path"].startswith(f"{path}.") for error in problem["errors"]
    )
    assert http.get("/v1/jobs", params={"project": project}).json()["items"] == []


def test_the_table_grows_with_the_jobs(
    client: Client, http: httpx2.Client, database: Database, suite: Suite
) -> None:
    posted = client.submit_suite(suite)
    with database.write() as session:
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=posted.jobs[0].id)
        assert row is not None
        jobs.finish(session, row.id, row.token, RESULT)
    found = client.suite(posted.id)
    assert found.states == {State.QUEUED: 3, State.SUCCEEDED: 1}
    assert found.comparison is not None
    (line,) = found.comparison.rows
    assert client.suite(posted.id, table=False).comparison is None
    assert (line.student, line.role, line.speed_up) == ("small", "distilled", 10.0)
    for form, kind in (
        ("markdown", "text/markdown"),
        ("csv", "text/csv"),
        ("latex", "application/x-tex"),
    ):
        answer = http.get(f"/v1/suites/{posted.id}/table", params={"format": form})
        assert answer.headers["content-type"].startswith(kind)
        assert "small" in answer.text
    refused = http.get(f"/v1/suites/{posted.id}/table", params={"format": "pdf"})
    assert refused.json()["errors"][0]["path"] == "query.format"


def test_the_client_lists_and_cancels_suites(client: Client, text: str, project: str) -> None:
    posted = client.submit_suite(text, key="k")
    assert client.submit_suite(text, key="k").id == posted.id
    (listed,) = client.suites(project=project).items
    assert client.suites(project=project, name="both").items == [listed]
    assert client.suites(project=project, name="none").items == []
    assert client.suites(id_prefix=str(listed.id)).items == [listed]
    assert client.suites(project=project, id_prefix="ffff").items == []
    assert (listed.id, listed.name) == (posted.id, "both")
    ended = client.cancel_suite(posted.id)
    assert (ended.states, ended.over) == ({State.CANCELLED: 4}, True)


def test_the_client_raises_what_the_server_refused(client: Client, text: str, suite: Suite) -> None:
    with pytest.raises(BadSpec) as caught:
        client.submit_suite(text.replace("layers: 1", "layers: 0"))
    assert [bad.path for bad in caught.value.fields] == ["students.small.layers"]
    job = client.submit_suite(suite).jobs[0].id
    with pytest.raises(UnknownName, match=str(job)):
        client.suite(job)


def test_a_model_that_many_jobs_name_is_looked_for_once(
    post: Post, text: str, statements: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    named = text.replace(
        "{architecture: bert, layers: 2, width: 32, heads: 2, ffn: 64}", "registry:nowhere@1"
    )
    sent = []
    for seeds in ("[1]", "[1, 2, 3, 4, 5]"):
        with statements() as taken:
            assert post(f"{named}seeds: {seeds}\n").status_code == 422
        sent.append(len(taken))
    assert sent[0] == sent[1]
