"""The trials of a search over HTTP: by pages and states, those on the front marked."""

from datetime import timedelta
from uuid import UUID

import httpx2
import pytest

from alambique.api.client import Client
from alambique.registry import jobs, trials
from alambique.registry.database import Database
from alambique.spec.errors import BadSpec, UnknownName
from alambique.spec.job import Job
from alambique.spec.search import Search
from alambique.spec.states import Reason, TrialState

SCORES = {1: (0.5, 10.0), 2: (0.75, 40.0), 3: (0.25, 20.0), 4: (0.625, 20.0)}


@pytest.fixture
def searched(client: Client, database: Database, job: Job) -> UUID:
    """A job whose search has four finished trials, one that failed and one that runs."""
    space = {"train.seed": [1, 2, 3, 4, 5, 6]}
    search = Search.model_validate({"space": space, "trials": 6, "goals": ["f1 max", "macs min"]})
    posted = client.submit(job.model_copy(update={"search": search}))
    with database.write() as session:
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=posted.id)
        assert row is not None
        for number in range(1, 7):
            trials.begin(session, row.id, row.token, number, {"train.seed": number})
        for number, (f1, macs) in SCORES.items():
            found = {"f1": f1, "macs": macs}
            state = TrialState.FINISHED
            trials.end(session, row.id, row.token, number, state, epochs=2, metrics=found)
        state, why = TrialState.FAILED, Reason.DIVERGED
        trials.end(
            session, row.id, row.token, 5, state, epochs=0, metrics={}, reason=why, error="nan"
        )
    return posted.id


def test_trials_come_in_their_order_with_the_front_marked(client: Client, searched: UUID) -> None:
    found = client.trials(searched)
    assert found.next is None
    assert [(one.number, one.front) for one in found.items] == [
        (1, True),
        (2, True),
        (3, False),
        (4, True),
        (5, False),
        (6, False),
    ]
    assert found.items[1].metrics == {"f1": 0.75, "macs": 40.0}
    assert (found.items[4].state, found.items[4].reason, found.items[4].error) == (
        "failed",
        "diverged",
        "nan",
    )
    assert (found.items[5].state, found.items[5].values) == ("running", {"train.seed": 6})


def test_trials_come_in_pages_and_by_state(client: Client, searched: UUID) -> None:
    first = client.trials(searched, limit=4)
    rest = client.trials(searched, limit=4, cursor=first.next)
    assert [one.number for one in (*first.items, *rest.items)] == [1, 2, 3, 4, 5, 6]
    assert rest.next is None
    # the front is that of all trials, whatever is asked for
    (running,) = client.trials(searched, state=TrialState.RUNNING).items
    assert running.number == 6
    assert [one.front for one in client.trials(searched, limit=2).items] == [True, True]
    with pytest.raises(BadSpec, match="'x'"):
        client.trials(searched, cursor="x")


@pytest.mark.parametrize("attempted", [True, False])
def test_what_no_driver_holds_is_interrupted(
    client: Client, database: Database, searched: UUID, attempted: bool
) -> None:
    """After a cancel, and while the job waits for its next attempt, which finds it in its row."""
    with database.write() as session:
        token = jobs.find(session, searched).token
        if attempted:
            jobs.fail(session, searched, token, Reason.LOST_WORKER, "gone")
        else:
            jobs.cancel(session, searched, kill=True)
            jobs.release(session, searched, token)
    assert [str(one.state) for one in client.trials(searched).items[3:]] == [
        *("finished", "failed", "interrupted")
    ]
    assert client.trials(searched, state=TrialState.RUNNING).items == []
    (found,) = client.trials(searched, state=TrialState.INTERRUPTED).items
    assert found.number == 6
    with database.write() as session:
        assert trials.of_job(session, searched)[5].state is TrialState.RUNNING
        assert not trials.page(session, searched, state=TrialState.INTERRUPTED).items[0].state.over


def test_while_its_job_is_held_a_trial_is_not_interrupted(client: Client, searched: UUID) -> None:
    assert client.trials(searched, state=TrialState.INTERRUPTED).items == []


def test_a_job_without_a_search_has_none(client: Client, http: httpx2.Client, job: Job) -> None:
    posted = client.submit(job)
    assert http.get(f"/v1/jobs/{posted.id}/trials").json() == {"items": [], "next": None}
    with pytest.raises(UnknownName):
        client.trials(UUID(int=1))


def test_a_plan_tells_what_a_search_takes(client: Client, job: Job) -> None:
    search = Search.model_validate({"space": {"student.layers": [1, 2]}, "trials": 9})
    found = client.plan(job.model_copy(update={"search": search})).search
    assert found is not None
    assert (found.trials, found.epochs) == (2, 6)
    assert found.macs is not None
    assert found.macs > found.student.macs.full > 0
    assert client.plan(job).search is None
