"""The job file that makes a version again: a student's, a trial's, and one from before pinning."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from alambique.api.reproduction import job_file
from alambique.api.views import JobView, VersionView
from alambique.registry.records import Edge, JobRow, Version
from alambique.spec.job import Job
from alambique.spec.reading import job_of

MAKER = {"code": "0.1.0+0123456789ab", "libraries": {"torch": "2.13.0"}}
SEARCH = {"space": {"train.epochs": [1, 2]}, "goals": ["f1 max"], "trials": 2}
Made = Callable[..., tuple[VersionView, JobView]]


@pytest.fixture
def made(register: Callable[..., tuple[JobRow, Version]], job: Job) -> Made:
    """A version with those details, and the job that made it, changed so."""

    def make(details: dict[str, Any], **changed: Any) -> tuple[VersionView, JobView]:
        said = job.model_dump(mode="json", exclude_defaults=True) | changed
        data = Edge("data", hashes={"train": "1" * 64})
        row, version = register(job_of(said), weights="f" * 64, details=details, lineage=[data])
        return VersionView.model_validate(version), JobView.of(row, None)

    return make


def read(text: str) -> tuple[str, Job]:
    """What stands above the job, and the job."""
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    return head, job_of(yaml.safe_load(text))


def test_a_job_file_reproduces_a_student(made: Made, job: Job) -> None:
    other = MAKER | {"code": "0.0.9+fedcba"}
    head, again = read(job_file(*made({"made_by": {"training": [MAKER], "outputs": [other]}})))
    assert again == job.model_copy(update={"fresh": True})
    for said in ("1" * 64, "f" * 64, MAKER["code"], "torch 2.13.0", "outputs: alambique 0.0.9"):
        assert str(said) in head


def test_the_student_of_a_trial_needs_no_search(made: Made) -> None:
    _, again = read(job_file(*made({"values": {"train.epochs": 2}}, search=SEARCH)))
    assert (again.search, again.train.epochs) == (None, 2)


def test_of_several_seeds_the_one_that_is_registered_is_made_again(made: Made) -> None:
    _, again = read(job_file(*made({"seed": 7}, seeds=[1, 7])))
    assert (again.seeds, again.train.seed) == ((), 7)
    _, again = read(job_file(*made({}, seeds=[1, 7])))  # of a teacher, which has none of them
    assert again.seeds == (1, 7)


def test_a_teacher_of_a_job_with_a_search_is_made_with_it(made: Made) -> None:
    _, again = read(job_file(*made({}, search=SEARCH)))
    assert again.search is not None


def test_what_was_not_pinned_is_said(made: Made) -> None:
    teacher = {"model": "team/large@dev", "train": {"epochs": 1}}
    head, _ = read(job_file(*made({}, teacher=teacher)))
    assert "teacher.model: team/large@dev, at a revision that nobody kept" in head
