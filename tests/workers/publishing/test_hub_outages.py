"""A hub that is down, slow or lost in the middle: the publication waits, and is made once."""

import threading

import httpx2
import pytest
from tests.releases import Registered
from tests.team_hub import TeamHub
from tests.workers.publishing.endings import Ask, ask_anew, job_of_registered, postponed, published
from tests.workers.publishing.publish_once import varying

from alambique.registry import jobs, publications, tables
from alambique.spec.states import PublicationState
from alambique.workers.publishing.publisher import Publisher, publishing


def test_others_that_never_rest_leave_it_for_later(
    asked: Ask, publisher: Publisher, team: TeamHub
) -> None:
    team.create("team/pico")

    def meanwhile(step: str) -> None:
        if step == "commit":
            team.repositories["team/pico"].add("theirs", "", {})

    team.before = meanwhile
    asked()
    assert "others keep changing" in postponed(publisher)
    assert team.publications("team/pico") == []


@pytest.mark.parametrize("url", ["the hub's own", "http://127.0.0.1:9"])
def test_a_hub_that_is_down_is_asked_again_later(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered, url: str
) -> None:
    row = asked()
    team.down = True
    publisher.endpoint = team.endpoint if "own" in url else url
    assert "tried again" in postponed(publisher)
    assert publisher.publish_next() is None
    team.down, publisher.endpoint = False, team.endpoint
    ask_anew(registered, row)
    published(publisher)


def test_an_answer_that_is_lost_after_the_commit_makes_no_second_one(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered
) -> None:
    row = asked()
    publisher.documents = (varying,)
    endings = iter([httpx2.ReadError("cut")])

    def cut(step: str) -> None:
        if step == "commit" and (error := next(endings, None)):
            raise error

    team.after = cut
    assert "does not answer" in postponed(publisher)
    ask_anew(registered, row)
    published(publisher)
    assert len(team.publications("team/pico")) == 1


def test_a_slow_hub_holds_nobody_up_and_a_stop_puts_it_down(
    asked: Ask, team: TeamHub, registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def wait(step: str) -> None:
        if step == "create":
            reached.set()
            go_on.wait(60)

    team.before = wait
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", team.endpoint)
    row = asked()
    stop = threading.Event()
    with publishing(registered.settings, registered.database, stop):
        assert reached.wait(60)
        # the queue of jobs is the database's: it is free while the hub is waited for
        with registered.database.write() as session:
            posted = jobs.submit(session, job_of_registered(registered))
            taken = jobs.take(session, "x", registered.settings.lease_time, job_id=posted.id)
        assert taken is not None
        stop.set()
        go_on.set()
    with registered.database.read() as session:
        left = publications.find(session, row.id)
    assert (left.state, left.attempts, left.holder) == (PublicationState.WAITING, 0, None)
    assert team.publications("team/pico") == []


def test_whose_lease_is_lost_writes_nothing_more(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered
) -> None:
    row = asked()
    publisher.settings = registered.settings.model_copy(update={"heartbeat": 0.01})
    looked = threading.Event()

    def take_away(step: str) -> None:
        if step == "preupload":
            with registered.database.write() as session:
                held = session.get_one(tables.Publication, row.id)
                held.token += 1
                held.lease_until = held.created_at
            while threading.active_count() and not looked.is_set():
                if not any(thread.name == "publication" for thread in threading.enumerate()):
                    looked.set()

    team.before = take_away
    left = publisher.publish_next()
    assert left is not None
    assert (left.state, left.token) == (PublicationState.PUBLISHING, 2)
    assert "commit" not in team.steps
    team.before = lambda step: None
    published(publisher)
    assert len(team.publications("team/pico")) == 1
