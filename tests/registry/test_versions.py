"""Versions: whole, numbered without gaps, at most once per job and role."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from tests.registry.made_versions import recorded, running

from alambique.registry import model_search, versions
from alambique.registry.database import Database
from alambique.registry.model_search import VersionFilter
from alambique.registry.records import Edge, File, Metric
from alambique.spec.errors import Conflict, UnknownName
from alambique.spec.job import Job


def test_a_version_is_read_as_it_was_recorded(database: Database, job: Job) -> None:
    row = running(database, job)
    teacher = recorded(database, row, name="teacher", role="teacher")
    files = (File("config.json", "a" * 64, 10), File("model.safetensors", "b" * 64, 2**33))
    metrics = (
        Metric("sample-ner", "test", "f1", 0.5, {"n_best": 20}),
        Metric("sample-ner", "test", "precision", 0.25),
    )
    lineage = (Edge("teacher", teacher.id), Edge("data", None, {"train": "c" * 64}))
    details = {"seed": 1, "latency": {"mean_ms": 1.5}}
    made = recorded(database, row, files=files, metrics=metrics, lineage=lineage, details=details)
    assert (made.files, made.metrics, made.lineage) == (files, metrics, lineage)
    assert (made.number, made.name, made.project, made.job_id) == (1, "tiny-ner", "default", row.id)
    assert made.labels == ("O", "B-PER")
    assert made.parameters == 3_000_000_000
    with database.read() as session:
        for version in (1, "1", "latest"):
            assert versions.find(session, "default", "tiny-ner", version) == made
        assert versions.get(session, made.id) == made
        assert versions.get(session, teacher.id).role == "teacher"
        there = {("tiny-ner", "1"), ("tiny-ner", "latest"), ("teacher", "1")}
        absent = {("tiny-ner", "2"), ("tiny-ner", "0"), ("teacher", "x"), ("none", "latest")}
        assert versions.find_existing(session, "default", there | absent) == there
        assert versions.find_existing(session, "other", there) == set()


def test_a_job_records_a_role_once(database: Database, job: Job) -> None:
    row = running(database, job)
    first = recorded(database, row, artifact="one")
    again = recorded(database, row, artifact="two", metrics=(Metric("d", "test", "f1", 1.0),))
    assert again == first
    with database.read() as session:
        assert versions.page(session).items == (first,)


def test_what_was_undone_leaves_no_gap(database: Database, job: Job) -> None:
    first, second = running(database, job), running(database, job)
    assert recorded(database, first).number == 1
    with pytest.raises(Exception, match=r"(?i)unique"):
        recorded(database, second, files=(File("a", "x", 1), File("a", "x", 1)))
    assert recorded(database, second).number == 2


def test_numbers_count_up_without_gaps_however_many_record(database: Database, job: Job) -> None:
    rows = [running(database, job) for _ in range(12)]
    together = Barrier(6)

    def record(part: int) -> list[int]:
        together.wait()
        return [recorded(database, row).number for row in rows[part::6]]

    with ThreadPoolExecutor(6) as pool:
        numbers = [number for some in pool.map(record, range(6)) for number in some]
    assert sorted(numbers) == list(range(1, 13))
    with database.read() as session:
        model = versions.model(session, "default", "tiny-ner")
    assert (model.versions, model.latest.number) == (12, 12)


def test_a_name_belongs_to_one_task(database: Database, job: Job) -> None:
    recorded(database, running(database, job))
    with pytest.raises(Conflict, match="another name"):
        recorded(database, running(database, job), task="question-answering")


def test_a_name_is_its_projects_own(database: Database, job: Job) -> None:
    mine = recorded(database, running(database, job))
    theirs = recorded(database, running(database, job, project="other"))
    assert (mine.number, theirs.number) == (1, 1)
    with database.read() as session:
        assert versions.find(session, "other", "tiny-ner") == theirs


@pytest.mark.parametrize("version", [0, -1, 2, "champion", "2", "²", "1.0", "1" * 5000])
def test_an_unknown_version_is_said_to_be_unknown(
    database: Database, job: Job, version: int | str
) -> None:
    recorded(database, running(database, job))
    with database.read() as session, pytest.raises(UnknownName, match="number up to 1"):
        versions.find(session, "default", "tiny-ner", version)


def test_an_unknown_model_is_said_to_be_unknown(database: Database) -> None:
    with database.read() as session:
        with pytest.raises(UnknownName, match="models list"):
            versions.find(session, "default", "nothing")
        with pytest.raises(UnknownName):
            versions.get(session, uuid4())


def test_a_teacher_is_found_by_its_weights(database: Database, job: Job) -> None:
    recorded(database, running(database, job))
    newest = recorded(database, running(database, job))
    recorded(database, running(database, job), weights="other")
    with database.read() as session:
        assert versions.by_weights(session, "default", "w" * 64) == newest
        assert versions.by_weights(session, "default", "none") is None
        assert versions.by_weights(session, "other", "w" * 64) is None


def test_pages_of_versions_and_models(database: Database, job: Job) -> None:
    rows = [running(database, job) for _ in range(3)]
    made = [recorded(database, row) for row in rows]
    teacher = recorded(database, rows[0], name="teacher", role="teacher")
    with database.read() as session:
        first = versions.page(session, name="tiny-ner", limit=2)
        rest = versions.page(session, name="tiny-ner", limit=2, cursor=first.next)
        assert first.items + rest.items == tuple(made[::-1])
        assert rest.next is None
        assert versions.page(session, role="teacher").items == (teacher,)
        assert versions.page(session, job_id=rows[1].id).items == (made[1],)
        assert versions.page(session, project="other").items == ()
        models = model_search.models(session, VersionFilter(task="named-entities"))
        assert [(one.name, one.latest) for one in models.items] == [
            ("teacher", teacher),
            ("tiny-ner", made[-1]),
        ]
        assert model_search.models(session, VersionFilter(project="other")).items == ()
