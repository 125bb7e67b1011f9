"""Jobs and suites by an id, by how it begins, or by a name."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from alambique.api.client import Client
from alambique.api.local import LocalRegistry
from alambique.api.lookup import find_job, find_suite
from alambique.api.views import JobView
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.errors import Conflict, UnknownName
from alambique.spec.job import Job
from alambique.spec.settings import Settings


@pytest.fixture(params=["server", "here"])
def registry(
    request: pytest.FixtureRequest, client: Client, settings: Settings
) -> Client | LocalRegistry:
    """A server, or its registry read without it: both answer the same."""
    return client if request.param == "server" else LocalRegistry(settings)


@pytest.fixture
def three(client: Client, job: Job) -> list[JobView]:
    """Three jobs of one name, in their order; the newest one is over."""
    posted = [client.submit(job) for _ in range(3)]
    client.cancel(posted[2].id)
    return posted


def test_a_name_is_of_its_newest_job(
    registry: Client | LocalRegistry, three: list[JobView], project: str
) -> None:
    assert find_job(registry, "tiny", project=project) == three[2].id
    assert find_job(registry, str(uuid := uuid4()), project=project) == uuid  # whole: not asked


def test_a_name_is_of_the_one_job_that_can_be_ended(
    registry: Client | LocalRegistry, client: Client, three: list[JobView], project: str
) -> None:
    with pytest.raises(Conflict) as raised:
        find_job(registry, "tiny", project=project, active=True)
    assert all((str(one.id) in str(raised.value)) is (one is not three[2]) for one in three)
    client.cancel(three[1].id)
    assert find_job(registry, "tiny", project=project, active=True) == three[0].id
    client.cancel(three[0].id)
    assert find_job(registry, "tiny", project=project, active=True) == three[2].id


def test_the_one_that_can_be_ended_is_found_behind_many(
    client: Client, database: Database, job: Job, project: str
) -> None:
    first = client.submit(job)
    with database.write() as session:
        for _ in range(55):
            jobs.cancel(session, jobs.submit(session, job).id)
    assert find_job(client, "tiny", project=project, active=True) == first.id


def test_a_job_is_found_by_the_beginning_of_its_id(
    registry: Client | LocalRegistry, three: list[JobView], project: str
) -> None:
    ids = [one.id for one in three]
    for digits in (ids[1].hex[:31], str(ids[1])[:35], ids[1].hex.upper()):
        assert find_job(registry, digits, project=project) in ids
    alone = next(n for n in range(4, 33) if sum(one.hex[:n] == ids[1].hex[:n] for one in ids) == 1)
    assert find_job(registry, ids[1].hex[:alone], project=project) == ids[1]
    with pytest.raises(Conflict) as raised:
        find_job(registry, ids[0].hex[:6], project=project)
    assert all(str(one) in str(raised.value) for one in ids)


@pytest.mark.parametrize("said", ["none", "fff", "ffffff", "", "ñ", "../jobs", "0"])
def test_a_job_that_is_not_there_is_unknown(
    registry: Client | LocalRegistry, three: list[JobView], said: str
) -> None:
    with pytest.raises(UnknownName, match="jobs list"):
        find_job(registry, said)


def test_a_suite_is_found_by_name_or_beginning_of_its_id(client: Client, project: str) -> None:
    suite = {
        "name": "both",
        "project": project,
        "shared": {
            "teacher": {
                "model": {
                    "architecture": "bert",
                    "layers": 2,
                    "width": 32,
                    "heads": 2,
                    "ffn": 64,
                },
                "train": {"epochs": 1},
            }
        },
        "tasks": {"ner": {"task": "named-entities", "data": "sample-entities"}},
        "students": {"small": {"layers": 1}},
    }
    first, second = client.submit_suite(suite), client.submit_suite(suite)
    assert find_suite(client, "both", project=project) == second.id
    with pytest.raises(Conflict):
        find_suite(client, "both", project=project, active=True)
    client.cancel_suite(second.id)
    assert find_suite(client, "both", project=project, active=True) == first.id
    assert find_suite(client, first.id.hex[:31] + first.id.hex[31], project=project) == first.id
    with pytest.raises(UnknownName, match="suites list"):
        find_suite(client, "none", project=project)
    client.cancel_suite(first.id)


def test_a_registry_is_read_without_its_server(
    client: Client, settings: Settings, database: Database, job: Job
) -> None:
    posted = client.submit(job)
    here = LocalRegistry(settings)
    assert here.job(posted.id) == client.job(posted.id)
    assert here.jobs(project=job.project) == client.jobs(project=job.project)
    assert here.tasks() == client.tasks()
    assert here.data() == client.data()
    assert here.trials(posted.id) == client.trials(posted.id)
    assert here.models(project=job.project) == client.models(project=job.project)
    with database.write() as session:
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=posted.id)
        assert row is not None
        jobs.note(session, row.id, row.token, "log", {"lines": ["hola"]})
    assert here.logs(posted.id) == client.logs(posted.id)
    for ask in (here.job, here.logs, here.trials):
        with pytest.raises(UnknownName):
            ask(UUID(int=1))


def test_a_name_takes_no_beginning_of_another_id(
    registry: Client | LocalRegistry, client: Client, job: Job, project: str
) -> None:
    first = client.submit(job)
    beginning = str(first.id)[:8]
    second = client.submit(job.model_copy(update={"name": beginning}))
    with pytest.raises(Conflict) as raised:
        find_job(registry, beginning, project=project)
    assert all(str(one.id) in str(raised.value) for one in (first, second))
    assert find_job(registry, str(first.id), project=project) == first.id
