"""What it takes to look at a document: counted in calls, and never timed."""

import cProfile
import pstats
from collections.abc import Callable
from typing import Any

import pytest

from alambique.spec.combinations import search_combinations
from alambique.spec.errors import BadSpec
from alambique.spec.matrix import jobs_of
from alambique.spec.reading import job_of
from alambique.spec.space import job_with_values
from alambique.spec.suite import suite_of

JOB: dict[str, Any] = {
    "task": "named-entities",
    "data": "conll2002",
    "teacher": {"model": "mini-es"},
    "student": {"layers": 2},
}


def calls(act: Callable[[], object]) -> int:
    """How many functions are called, those of Python and those of C."""
    profile = cProfile.Profile()
    with profile, pytest.raises(BadSpec):
        act()
    found: Any = pstats.Stats(profile)
    return int(found.total_calls)


def test_many_fields_that_cover_one_another_are_looked_at_together() -> None:
    def covering(fields: int) -> dict[str, Any]:
        low, high = ({f"f{n}": value for n in range(fields)} for value in (1, {"a": 1}))
        shared = JOB | {"train": low}
        tasks = {"a": {"train": high}}
        return {"name": "s", "shared": shared, "tasks": tasks, "students": {"b": {}}}

    assert calls(lambda: jobs_of(suite_of(covering(400)))) < 1000 * 400


def test_what_a_covered_field_says_is_refused_where_it_is_wrong_by_itself_alone() -> None:
    shared = JOB | {"train": {"epochs": 2, "warmup": 7}, "student": 3, "data": "conll2002"}
    tasks = {"a": {"student": {"layers": 1}, "data": {"name": "ud-gsd"}, "train": {"warmup": 0.1}}}
    suite = {"name": "s", "shared": shared, "tasks": tasks, "students": {"b": {}}}
    with pytest.raises(BadSpec) as caught:
        jobs_of(suite_of(suite))
    assert [bad.path for bad in caught.value.fields] == ["shared.student"]


def test_a_search_looks_at_the_candidates_of_a_teacher_once() -> None:
    candidates = {"candidates": [f"m{number}" for number in range(9)], "train": {}}
    search = {"space": {"student.layers": [1, 2]}, "trials": 2}
    job = job_of(JOB | {"teacher": candidates, "search": search})
    for one in search_combinations(job, "student").jobs:
        assert one.teacher is job.teacher
    assert job_with_values(job, {"student.layers": 1}).student.layers == 1


def test_without_a_search_no_other_job_is_made() -> None:
    job = job_of(JOB)
    (only,) = search_combinations(job, "student").jobs
    assert only is job


def test_candidates_count_for_each_combination_of_a_search() -> None:
    space = {"student.layers": list(range(1, 21)), "student.ffn": list(range(64, 89))}
    searched = JOB | {"search": {"space": space, "trials": 2}}

    def chosen(candidates: int) -> dict[str, Any]:
        models = [f"m{number}" for number in range(candidates)]
        return searched | {"teacher": {"candidates": models, "train": {}}}

    job_of(chosen(10))
    with pytest.raises(BadSpec) as caught:
        job_of(chosen(100))
    assert [bad.path for bad in caught.value.fields] == ["search.space"]
