"""What is looked at of a suite before it is queued, and how often."""

import threading
from typing import Any

import pytest

from alambique.api.checks import check, check_suite
from alambique.api.context import Context
from alambique.api.event_poller import EventPoller
from alambique.api.gains import StoredGains
from alambique.api.predictor import Predictor
from alambique.api.problems import Refusal
from alambique.registry.database import Database
from alambique.spec.field_errors import NAMED
from alambique.spec.matrix import jobs_of
from alambique.spec.reading import job_of
from alambique.spec.settings import Settings
from alambique.spec.suite import Suite, suite_of

ARCHITECTURE = {"architecture": "bert", "layers": 2, "width": 32, "heads": 2, "ffn": 64}


@pytest.fixture
def context(settings: Settings, database: Database) -> Context:
    stop = threading.Event()
    return Context(
        settings,
        database,
        stop,
        EventPoller(database, stop),
        StoredGains(database),
        Predictor(settings),
    )


def suite(*unfit: int) -> Suite:
    """One of 600 jobs, of which these ask for more layers than there are."""
    shared = {
        "task": "named-entities",
        "data": "sample-entities",
        "teacher": {"model": ARCHITECTURE, "train": {}},
    }
    tasks = {
        f"t{number}": ({"student": {"layers": 9}} if number in unfit else {})
        for number in range(600)
    }
    students: dict[str, Any] = {"s": {}}
    return suite_of(
        {
            "name": "s",
            "shared": shared | {"student": {"layers": 1}},
            "tasks": tasks,
            "students": students,
        }
    )


def test_the_sizes_of_so_many_jobs_are_looked_at_and_no_more(context: Context) -> None:
    checked = suite(3)
    with pytest.raises(Refusal) as caught:
        check_suite(checked, jobs_of(checked), context)
    assert [bad.path for bad in caught.value.problem.errors or ()] == ["tasks.t3.student"]
    left = suite(599)  # to the first stage of that job
    check_suite(left, jobs_of(left), context)


def test_the_scores_that_a_suite_names_are_those_of_its_tasks(context: Context) -> None:
    said = {"metrics": {"t1": ["f1", "strict-f1", "seqeval-f1"], "t2": ["accuracy"]}}
    named = suite_of(suite().model_dump() | said)
    with pytest.raises(Refusal) as caught:
        check_suite(named, jobs_of(named), context)
    found = caught.value.problem.errors or []
    assert [bad.path for bad in found] == ["metrics.t1.2"]
    assert "take one of f1, precision, recall, strict-f1, accuracy, ece" in found[0].message


def test_models_of_the_registry_are_looked_for_together(
    context: Context, checkouts: threading.Semaphore
) -> None:
    models = [f"registry:none-{number}@{number}" for number in range(90)]
    job = job_of(
        {
            "task": "named-entities",
            "data": "sample-entities",
            "teacher": {"candidates": models, "train": {}},
            "student": {"layers": 1},
        }
    )
    with pytest.raises(Refusal) as caught:
        check(job, context)
    assert len(caught.value.problem.errors or ()) == NAMED
    looks = 0
    while checkouts.acquire(blocking=False):
        looks += 1
    assert looks == 1 + NAMED  # the one for all, and one for what to say of each that is told
