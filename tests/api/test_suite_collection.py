"""The collection of a suite: its teachers and distilled students, with the table."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from tests.api.comparison_jobs import compare, ended, row, suite
from tests.job_results import job_result, result_row

from alambique.api.client import Client
from alambique.api.suite_collection import members_of
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Version
from alambique.spec.errors import UnknownName
from alambique.spec.job import Job

Register = Callable[..., tuple[JobRow, Version]]


def test_members_are_teachers_and_distilled_students_each_once() -> None:
    teacher = row("teacher", 0.9)
    jobs = [
        ended("ner", "small", teacher, row("gold-only", 0.5), row("distilled", 0.7)),
        ended("ner", "large", teacher, row("distilled", 0.8)),
        ended("pos_ud", "small", row("teacher", 0.95), row("distilled", 0.85)),
    ]
    found = members_of(compare(suite(), jobs))
    assert [(one.version, one.role, one.data, one.student) for one in found] == [
        ("teacher@0.9", "teacher", "ner", None),
        ("teacher@0.95", "teacher", "pos_ud", None),
        ("distilled@0.7", "distilled", "ner", "small"),
        ("distilled@0.85", "distilled", "pos_ud", "small"),
        ("distilled@0.8", "distilled", "ner", "large"),
    ]
    assert [(one.metric, one.score) for one in found][:2] == [("f1", 0.9), ("f1", 0.95)]


def test_a_suite_without_results_has_no_members() -> None:
    assert members_of(compare(suite(), [])) == ()


def test_a_collection_is_read_over_http(
    client: Client, database: Database, register: Register, job: Job
) -> None:
    register(job)
    text = {
        "name": "family",
        "project": job.project,
        "shared": {"teacher": job.model_dump(mode="json")["teacher"]},
        "tasks": {"ner": {"task": job.task, "data": job.data.name}},
        "students": {"small": {"layers": 1}},
    }
    posted = client.submit_suite(text)
    assert client.collection(posted.id).members == []
    result = job_result(
        result_row("teacher", version="gone@1"),
        result_row("gold-only", version="tiny@1"),
        result_row("distilled", version="tiny@1"),
    )
    with database.write() as session:
        held = jobs.take(session, "test", timedelta(minutes=1), job_id=posted.jobs[0].id)
        assert held is not None
        jobs.finish(session, held.id, held.token, result)
    found = client.collection(posted.id)
    assert [(one.version, one.role) for one in found.members] == [
        ("gone@1", "teacher"),
        ("tiny@1", "distilled"),
    ]
    assert found.deleted == ["gone@1"]
    assert found.comparison == client.suite(posted.id).comparison
    with pytest.raises(UnknownName):
        client.collection(UUID(int=1))
