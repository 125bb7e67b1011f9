"""Jobs over HTTP: posted once, read as they stand, ended."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
import yaml

from alambique.api.client import Client
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.data import Data
from alambique.spec.errors import BadSpec, Conflict
from alambique.spec.job import Job, Student
from alambique.spec.states import StageName, State
from alambique.spec.teacher import Teacher

LEASE = timedelta(minutes=1)
YAML = {"Content-Type": "application/yaml"}


def taken(database: Database, job_id: UUID) -> JobRow:
    with database.write() as session:
        row = jobs.take(session, "test", LEASE, job_id=job_id)
    assert row is not None
    return row


def test_a_posted_job_is_queued_where_location_says(http: httpx2.Client, job: Job) -> None:
    answer = http.post("/v1/jobs", json=job.model_dump(mode="json"))
    assert answer.status_code == 202
    found = http.get(answer.headers["Location"]).json()
    assert found["id"] == answer.json()["id"]
    assert found["state"] == "queued"
    assert UUID(found["id"]).version == 7
    assert Job.model_validate(found["spec"]) == job


def test_json_and_yaml_say_the_same(http: httpx2.Client, job: Job) -> None:
    text = yaml.safe_dump(job.model_dump(mode="json"), allow_unicode=True)
    answer = http.post("/v1/jobs", content=text, headers=YAML)
    assert answer.status_code == 202
    assert Job.model_validate(answer.json()["spec"]) == job


def test_a_key_makes_one_job(client: Client, job: Job) -> None:
    first, again = client.submit(job, key="once"), client.submit(job, key="once")
    assert again.id == first.id
    assert len(client.jobs(project=job.project).items) == 1
    with pytest.raises(Conflict):
        client.submit(job.model_copy(update={"priority": 1}), key="once")


def test_a_queued_job_says_why_it_waits(client: Client, job: Job) -> None:
    urgent = client.submit(job.model_copy(update={"priority": 100}))
    later = client.submit(job.model_copy(update={"priority": 99}))
    assert urgent.waiting is not None
    found = client.job(later.id).waiting
    assert found is not None
    assert found.ahead == urgent.waiting.ahead + 1
    assert found.why
    listed = {seen.id: seen.waiting for seen in client.jobs(project=job.project).items}
    assert listed == {urgent.id: urgent.waiting, later.id: found}


def test_a_list_takes_as_many_statements_whatever_waits(
    client: Client, job: Job, statements: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    taken = []
    for number in (1, 9):
        for _ in range(number):
            client.submit(job)
        with statements() as sent:
            found = client.jobs(project=job.project).items
        assert all(one.waiting for one in found)
        taken.append((len(found), len(sent)))
    assert [number for number, _ in taken] == [1, 10]
    assert taken[0][1] == taken[1][1]


def test_only_a_job_that_waits_says_why(client: Client, database: Database, job: Job) -> None:
    row = taken(database, client.submit(job).id)
    assert [(j.id, j.waiting) for j in client.jobs(project=job.project).items] == [(row.id, None)]


def test_an_unchanged_job_is_not_sent_again(
    client: Client, http: httpx2.Client, database: Database, job: Job
) -> None:
    posted = client.submit(job)
    row = taken(database, posted.id)
    first = http.get(f"/v1/jobs/{posted.id}")
    known = {"If-None-Match": first.headers["ETag"]}
    again = http.get(f"/v1/jobs/{posted.id}", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    with database.write() as session:
        jobs.record_progress(
            session, row.id, row.token, stage=StageName.TEACH, fraction=0.5, loss=1.5
        )
    changed = http.get(f"/v1/jobs/{posted.id}", headers=known)
    assert changed.status_code == 200
    assert (changed.json()["stage"], changed.json()["progress"]) == ("teach", 0.5)
    assert "waiting" in changed.json()
    assert "holder" not in changed.json()
    assert "token" not in changed.json()


def test_lists_are_filtered_and_paged(client: Client, database: Database, job: Job) -> None:
    posted = [client.submit(job.model_copy(update={"name": f"n{i}"})) for i in range(5)]
    taken(database, posted[0].id)
    project = job.project
    assert [j.name for j in client.jobs(project=project, state=State.RUNNING).items] == ["n0"]
    assert [j.name for j in client.jobs(project=project, name="n3").items] == ["n3"]
    assert client.jobs(project=project, task="question-answering").items == []
    names, cursor = [], None
    while True:
        page = client.jobs(project=project, limit=2, cursor=cursor)
        names += [found.name for found in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert names == ["n4", "n3", "n2", "n1", "n0"]


def test_jobs_are_listed_by_how_their_ids_begin(client: Client, job: Job) -> None:
    first, second = client.submit(job), client.submit(job)
    found = client.jobs(project=job.project, id_prefix=second.id.hex[:31])
    assert second.id in [one.id for one in found.items]
    assert client.jobs(id_prefix=str(first.id)).items[0].id == first.id
    assert client.jobs(project=job.project, id_prefix="ffff").items == []
    for bad in ("", "xyz", "a" * 33):
        with pytest.raises(BadSpec):
            client.jobs(id_prefix=bad)


def test_a_queued_job_is_cancelled_at_once(client: Client, job: Job) -> None:
    posted = client.submit(job)
    cancelled = client.cancel(posted.id)
    assert (cancelled.state, cancelled.reason) == ("cancelled", "user")
    assert client.cancel(posted.id).state == "cancelled"


def test_a_running_job_is_asked(client: Client, database: Database, job: Job) -> None:
    row = taken(database, client.submit(job).id)
    assert client.cancel(row.id).state == "cancelling"
    with database.write() as session:
        assert jobs.renew(session, row.id, row.token, LEASE) == "cancel"
    client.cancel(row.id, kill=True)
    with database.write() as session:
        assert jobs.renew(session, row.id, row.token, LEASE) == "kill"


def test_what_has_succeeded_cannot_be_cancelled(
    client: Client, database: Database, job: Job
) -> None:
    row = taken(database, client.submit(job).id)
    with database.write() as session:
        jobs.finish(session, row.id, row.token, {"rows": []})
    with pytest.raises(Conflict):
        client.cancel(row.id)
    assert client.job(row.id).result == {"rows": []}


def test_logs_go_on_where_they_were(client: Client, database: Database, job: Job) -> None:
    row = taken(database, client.submit(job).id)
    for line in ("one", "two"):
        with database.write() as session:
            jobs.note(session, row.id, row.token, "log", {"lines": [line]})
    first = client.logs(row.id)
    assert [item.lines for item in first.items] == [["one"], ["two"]]
    assert client.logs(row.id, after=first.after).items == []
    assert client.logs(row.id, after=first.items[0].id).items == first.items[1:]


def on(job: Job, data: str) -> Job:
    return job.model_copy(update={"data": Data(name=data)})


def test_a_dry_run_tells_the_plan_and_queues_nothing(client: Client, job: Job) -> None:
    plan = client.plan(on(job, "conll2002"))
    assert plan.teacher.parameters > plan.student.parameters > 0
    assert plan.teacher.macs.full > plan.teacher.macs.linear > plan.student.macs.linear > 0
    assert plan.cache.bytes is not None
    assert plan.candidates == []
    assert client.jobs(project=job.project).items == []


def test_a_plan_lists_the_candidates(client: Client, job: Job) -> None:
    one = {"architecture": "bert", "layers": 2, "width": 32, "heads": 2, "ffn": 64}
    teacher = {"candidates": [one, one | {"layers": 3}], "grid": {"epochs": [1, 2]}}
    asked = job.model_copy(update={"teacher": Teacher.model_validate(teacher)})
    plan = client.plan(on(asked, "conll2002"))
    assert [(one.model, one.runs) for one in plan.candidates] == [
        ("bert of 2 layers, from scratch", 2),
        ("bert of 3 layers, from scratch", 2),
    ]
    assert plan.teacher.macs == plan.candidates[1].macs
    assert plan.teacher.macs.full > plan.candidates[0].macs.full


def test_a_plan_says_which_data_is_not_at_hand(client: Client, job: Job) -> None:
    asked = job.model_copy(
        update={"task": "question-answering", "data": Data(name="squad-es", test="mlqa")}
    )
    plan = client.plan(asked)
    assert plan.student.parameters > 0
    assert plan.cache.bytes is None
    assert plan.cache.why is not None
    assert "squad-es" in plan.cache.why


def test_a_plan_that_cannot_be_is_refused(client: Client, job: Job) -> None:
    deep = job.model_copy(update={"student": Student(layers=3)})
    with pytest.raises(BadSpec, match="3"):
        client.plan(on(deep, "conll2002"))
