"""The collection of a suite: its teachers and distilled students, with the table."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.api.comparison_jobs import compare, ended, row, suite
from tests.job_results import job_result, result_row

from alambique.api.client import Client
from alambique.api.comparison import FinishedJob
from alambique.api.suite_collection import members_of
from alambique.api.zoo_views import Member
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.publication_requests import family_rows
from alambique.registry.records import JobRow, Version
from alambique.spec.errors import UnknownName
from alambique.spec.job import Job

Register = Callable[..., tuple[JobRow, Version]]


def members(jobs: Sequence[FinishedJob], **more: Any) -> list[Member]:
    kept = [(one.id, one.cell.model_dump(), one.result.model_dump()) for one in jobs]
    return list(members_of(family_rows(kept), compare(suite(**more), jobs)))


def test_members_are_teachers_and_distilled_students() -> None:
    teacher = row("teacher", 0.9)
    found = members(
        [
            ended("ner", "small", teacher, row("gold-only", 0.5), row("distilled", 0.7)),
            ended("pos_ud", "small", row("teacher", 0.95), row("distilled", 0.85)),
        ]
    )
    assert [(one.version, one.role, one.data, one.student) for one in found] == [
        ("teacher@0.9", "teacher", "ner", None),
        ("teacher@0.95", "teacher", "pos_ud", None),
        ("distilled@0.7", "distilled", "ner", "small"),
        ("distilled@0.85", "distilled", "pos_ud", "small"),
    ]
    assert [(one.metric, one.score) for one in found][:2] == [("f1", 0.9), ("f1", 0.95)]


def test_of_seeds_that_with_the_lowest_loss_stands_there_beside_the_mean() -> None:
    runs = [(1, 0.6, 0.5), (2, 0.8, 0.1), (3, 0.7, 0.3)]
    jobs = [
        ended("ner", "small", row("teacher", 0.9), row("distilled", score, loss), seed=seed)
        for seed, score, loss in runs
    ]
    _, student = members(jobs, seeds=[1, 2, 3])
    assert (student.version, student.score) == ("distilled@0.8", 0.8)
    assert student.over_seeds is not None
    assert student.over_seeds.version == student.version
    assert student.over_seeds.mean == pytest.approx(0.7)
    assert student.over_seeds.deviation == pytest.approx(0.1)
    assert student.over_seeds.complete


def test_of_a_job_with_several_seeds_the_score_is_that_of_the_registered_one() -> None:
    trained = [
        {"seed": seed, "metrics": {"f1": score}, "registered": seed == 2}
        for seed, score in ((1, 0.7), (2, 0.9))
    ]
    (student,) = members([ended("ner", "small", row("distilled", 0.8) | {"seeds": trained})])
    assert student.over_seeds is not None
    assert (student.score, student.over_seeds.mean) == (0.9, 0.8)


def test_a_suite_without_results_has_no_members() -> None:
    assert members([]) == []


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
