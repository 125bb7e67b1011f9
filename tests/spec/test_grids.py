"""A grid of its own for gold-only in a suite: which jobs it becomes, what is said of a bad one."""

import re
from typing import Any

import pytest

from alambique.spec.combinations import needs_outputs
from alambique.spec.errors import BadSpec
from alambique.spec.job import Job
from alambique.spec.matrix import jobs_of
from alambique.spec.reading import job_of, read_job
from alambique.spec.suite import Cell, read_suite, suite_of

JOB = """
task: named-entities
data: conll2002
teacher: {model: mini-es}
student: {layers: 2}
"""
SUITE = """
name: tuned
shared:
  teacher: {model: mini-es}
  compare: [gold-only]
tasks:
  ner: {task: named-entities, data: conll2002}
  pos: {task: part-of-speech, data: ud-gsd}
students: {small: {layers: 2}}
grid: {train.learning_rate: [1.0e-4, 5.0e-5]}
grids:
  gold-only: {train.epochs: [2, 3, 4], train.batch_size: [16]}
"""


def planned(*overrides: str) -> list[tuple[Cell, Job]]:
    return list(jobs_of(read_suite(SUITE, overrides)))


def test_the_points_of_each_grid_train_what_the_grid_is_for() -> None:
    found = planned()
    assert len(found) == 2 * (2 + 3)
    distilled = [job for cell, job in found if cell.tuned is None]
    gold = [(cell, job) for cell, job in found if cell.tuned == "gold-only"]
    assert {(job.train.learning_rate, job.train.epochs, job.distil) for job in distilled} == {
        (1e-4, 3, True),
        (5e-5, 3, True),
    }
    assert all(job.compare == () for job in distilled)
    assert [(job.train.epochs, job.train.batch_size) for _, job in gold[::2]] == [
        (2, 16),
        (3, 16),
        (4, 16),
    ]
    for cell, job in gold:
        assert (job.compare, job.distil, job.needs_outputs) == (("gold-only",), False, False)
        assert not needs_outputs(job)
        assert cell.point.keys() == {"train.epochs", "train.batch_size"}


def test_seeds_are_of_both() -> None:
    suite = read_suite(SUITE, ["seeds=[1, 2]"])
    assert (suite.runs_of("distilled"), suite.runs_of("gold-only"), suite.runs) == (4, 6, 10)
    assert suite.size == len(list(suite.cells())) == len(jobs_of(suite)) == 20


def test_without_a_grid_of_its_own_gold_only_has_the_one_of_all() -> None:
    found = planned("grids={}")
    assert len(found) == 2 * 2
    assert all(job.compare == ("gold-only",) and job.distil for _, job in found)
    suite = read_suite(SUITE, ["grids={}", "metrics={}"])
    assert suite.runs_of("gold-only") == suite.runs_of("distilled") == 2
    # a suite that says nothing of them is stored as it was before there were any
    assert {"grids", "metrics"} & suite.model_dump(mode="json").keys() == set()


def test_a_suite_reads_back_from_what_it_is_stored_as() -> None:
    suite = read_suite(SUITE)
    assert suite_of(suite.model_dump(mode="json")) == suite
    assert [Cell.model_validate(cell.model_dump(mode="json")) for cell in suite.cells()] == [
        *suite.cells()
    ]


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("shared.compare=[]", "grids.gold-only"),
        ("grids={same: {train.epochs: [1]}}", "grids.same"),
        ("grids={gold-only: {}}", "grids.gold-only"),
        ("grids={gold-only: {objective.0.weight: [1]}}", "grids.gold-only.objective.0.weight"),
        ("grids={gold-only: {train.epochs: [1, 1]}}", "grids.gold-only"),
        ("grids={gold-only: {train.epochs: [0]}}", "grids.gold-only.train.epochs"),
        ("grids={gold-only: {train.seed: [1]}}", "grids.gold-only"),
    ],
)
def test_a_bad_grid_is_named(said: str, path: str) -> None:
    with pytest.raises(BadSpec) as caught:
        planned(said)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("shared.compare=[]", "do not train it: add compare: [gold-only]"),
        ("grids={gold-only: {}}", "it is empty"),
    ],
)
def test_what_is_said_of_a_bad_grid(said: str, message: str) -> None:
    with pytest.raises(BadSpec, match=re.escape(message)):
        planned(said)


def test_jobs_of_both_grids_count_as_many_as_a_suite_may_have() -> None:
    content: dict[str, Any] = read_suite(SUITE).model_dump(mode="json")
    wide = {"gold-only": {"train.epochs": list(range(1, 2500))}}
    with pytest.raises(BadSpec, match="5,002"):
        suite_of(content | {"grids": wide})


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["distil=false"], "nothing is left to train"),
        (
            [
                "distil=false",
                "compare=[gold-only]",
                "search={space: {student.layers: [1]}, trials: 1}",
            ],
            "a search is for the distilled student",
        ),
    ],
)
def test_a_job_that_does_not_distil_trains_something_else(said: list[str], message: str) -> None:
    with pytest.raises(BadSpec) as caught:
        read_job(JOB, said)
    assert str(caught.value).startswith("distil: ")
    assert message in str(caught.value)


def test_what_a_job_that_distils_is_stored_as_does_not_say_so() -> None:
    job = read_job(JOB, ["distil=true"])
    assert "distil" not in job.model_dump(mode="json")
    alone = read_job(JOB, ["distil=false", "compare=[gold-only]"])
    assert job_of(alone.model_dump(mode="json")) == alone
