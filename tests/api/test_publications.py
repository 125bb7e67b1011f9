"""Publishing over HTTP: asked for, looked at, and refused where it cannot be meant."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy.orm import Session
from tests.job_results import job_result, result_row

from alambique.api.client import Client
from alambique.registry import jobs, publications, suites, versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Version
from alambique.spec.errors import BadSpec, Conflict, UnknownName
from alambique.spec.job import Job
from alambique.spec.matrix import jobs_of
from alambique.spec.states import PublicationState
from alambique.spec.suite import suite_of

Register = Callable[..., tuple[JobRow, Version]]


@pytest.fixture
def version(register: Register, job: Job) -> Version:
    """A student of a job that runs."""
    return register(job)[1]


def test_a_version_is_asked_for_and_looked_at(
    client: Client, http: httpx2.Client, version: Version
) -> None:
    path = f"/v1/models/tiny/versions/1/publish?project={version.project}"
    answer = http.post(path, json={"to": "hub:team/tiny"})
    assert answer.status_code == 202
    told = answer.json()
    assert (told["state"], told["private"], told["target"]) == ("waiting", True, "hub:team/tiny")
    assert (told["name"], told["number"], told["project"]) == ("tiny", 1, version.project)
    assert not {"token", "holder", "lease_until"} & told.keys()
    assert http.get(answer.headers["Location"]).json() == told
    again = client.publish("tiny", "latest", to="hub:team/tiny", project=version.project)
    assert str(again.id) == told["id"]
    assert client.publication(again.id) == again
    assert client.publications(project=version.project).items == [again]


def test_the_word_of_a_person_is_kept(client: Client, version: Version) -> None:
    view = client.publish(
        "tiny",
        to="folder:tiny",
        private=False,
        override_by="Eva",
        override_note="agreed",
        project=version.project,
    )
    assert (view.override, view.private) == ({"by": "Eva", "note": "agreed"}, False)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"to": "team/tiny"}, "to"),
        ({"to": "hub:team/tiny/more"}, "to"),
        ({"to": "folder:../../etc"}, "to"),
        ({"to": "folder:a", "private": "yes"}, "private"),
        ({"to": "folder:a", "override": {"by": "Eva"}}, "override.note"),
        ({"to": "folder:a", "token": "hf_x"}, "token"),
        ({}, "to"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    http: httpx2.Client, version: Version, body: dict[str, object], path: str
) -> None:
    where = f"/v1/models/tiny/versions/1/publish?project={version.project}"
    answer = http.post(where, json=body)
    assert answer.status_code == 422
    assert path in [error["path"] for error in answer.json()["errors"]]


def test_what_is_not_there_is_not_published(client: Client, version: Version) -> None:
    with pytest.raises(UnknownName):
        client.publish("tiny", 7, to="hub:team/tiny", project=version.project)
    with pytest.raises(UnknownName):
        client.publication(uuid4())
    with pytest.raises(UnknownName):
        client.publish_suite(uuid4(), to="hub:team")


def test_the_best_of_each_cell_of_a_suite_becomes_a_family(
    client: Client, database: Database, register: Register, job: Job, project: str
) -> None:
    parts = job.model_dump(mode="json", exclude_unset=True, exclude={"name", "project"})
    suite = suite_of(
        {
            "name": "six",
            "project": project,
            "tasks": {"entities": {"task": parts["task"], "data": parts["data"]}},
            "teachers": {"small": parts["teacher"]},
            "students": {"one": {"layers": 1}, "two": {"layers": 2}},
            "seeds": [1, 2],
        }
    )
    with database.write() as session:
        row = suites.submit(session, suite, jobs_of(suite))
    with pytest.raises(Conflict, match="not over"):
        client.publish_suite(row.id, to="hub:team")
    made = {}
    losses = iter([0.5, 0.25, 0.125, 0.75])  # of one and two with seed 1, then with seed 2
    with database.read() as session:
        members = suites.jobs_in(session, row.id)
    for member in members:
        loss = next(losses)
        with database.write() as session:
            taken = jobs.take(session, "test", timedelta(minutes=1), job_id=member.id)
            assert taken is not None
            version = _record(session, taken, "student", weights=f"student {loss}")
            teacher = _record(session, taken, "teacher", weights="shared by all")
            scores = {"loss": loss, "metric": 0.5}
            rows = (
                result_row("teacher", version=f"{teacher.name}@{teacher.number}"),
                result_row(
                    "distilled", version=f"{version.name}@{version.number}", validation=scores
                ),
            )
            jobs.finish(session, taken.id, taken.token, job_result(*rows))
        made[loss] = version, teacher
    with pytest.raises(BadSpec):
        client.publish_suite(row.id, to="hub:team/six")
    family = client.collection(row.id)
    views = client.publish_suite(row.id, to="hub:team")
    assert {one.version for one in family.members} == {f"{v.name}@{v.number}" for v in views}
    best = [made[0.125][0], made[0.25][0], made[0.125][1]]
    assert [(view.name, view.number) for view in views] == [(v.name, v.number) for v in best]
    assert [view.target for view in views] == [f"hub:team/{version.name}" for version in best]
    assert {view.collection for view in views} == {"six"}
    assert len({view.target for view in views}) == 3
    again = client.publish_suite(row.id, to="hub:team")
    assert [view.id for view in again] == [view.id for view in views]


def _record(session: Session, row: JobRow, role: str, *, weights: str) -> Version:
    return versions.record(
        session,
        row.id,
        row.token,
        name=str(row.name) if role == "student" else f"{row.name}-{role}",
        role=role,
        task=row.task,
        labels=("O",),
        parameters=1,
        macs_linear=1,
        macs_full=1,
        weights=weights,
        artifact="nowhere",
    )


def test_no_part_of_a_suite_says_publish(client: Client, job: Job, project: str) -> None:
    parts = job.model_dump(mode="json", exclude_unset=True, exclude={"name", "project"})
    suite = {
        "name": "six",
        "project": project,
        "shared": {"publish": {"folder": "six"}},
        "tasks": {"entities": parts},
        "students": {"one": {"layers": 1}},
    }
    with pytest.raises(BadSpec, match="suites publish"):
        client.submit_suite(suite)


def test_a_plan_tells_where_to(client: Client, job: Job) -> None:
    content = job.model_dump(mode="json") | {"publish": {"repository": "team/tiny"}}
    assert client.plan(content).publish == "hub:team/tiny"
    assert client.plan(job).publish is None


def test_publications_are_listed_by_state(
    client: Client, database: Database, version: Version
) -> None:
    first = client.publish("tiny", to="folder:a", project=version.project)
    second = client.publish("tiny", to="folder:b", project=version.project)
    with database.write() as session:
        held = publications.take(session, "x", timedelta(minutes=1), publication_id=second.id)
        assert held is not None
        publications.refuse(session, held.id, held.token, "no")
    found = client.publications(project=version.project, state=PublicationState.REFUSED).items
    assert [(one.id, one.message) for one in found] == [(second.id, "no")]
    page = client.publications(project=version.project, limit=1)
    assert client.publications(project=version.project, cursor=page.next).items == [first]
