"""A server that is gone for a moment: how often it is asked, and under which key."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from alambique.api.client import PATIENCE, Client
from alambique.api.suite_views import SuiteView
from alambique.api.transport import NoAnswer, NoServer
from alambique.cli.following import Following
from alambique.cli.following_suites import follow, nothing
from alambique.cli.patience import posted_once, waited_for
from alambique.registry.database import Database
from alambique.spec.errors import BadSpec


def failing(*errors: Exception) -> tuple[list[Any], Callable[..., str]]:
    """A call that fails so, then answers; with what it was given each time."""
    left, given = list(errors), list[Any]()

    def call(*said: Any) -> str:
        given.append(said)
        if left:
            raise left.pop(0)
        return "answered"

    return given, call


def test_an_answer_that_is_lost_is_asked_for_under_the_same_key() -> None:
    sent, post = failing(NoAnswer("read timeout"), NoServer("refused"))
    assert posted_once(post, None, pause=0) == "answered"
    assert len({key for (key,) in sent}) == 1
    assert UUID(sent[0][0])
    sent, post = failing(NoAnswer("read timeout"))
    assert posted_once(post, "mine", pause=0) == "answered"
    assert sent == [("mine",), ("mine",)]


def test_where_no_answer_comes_it_is_told_how_to_send_it_again() -> None:
    sent, post = failing(*[NoAnswer("read timeout")] * 9)
    with pytest.raises(NoServer) as raised:
        posted_once(post, None, pause=0)
    assert str(raised.value) == (
        "read timeout; it may have been queued all the same: give the same command again with "
        f"--key {sent[0][0]}, and nothing is queued twice"
    )


@pytest.mark.parametrize("error", [NoServer("start one"), BadSpec("no such field")])
def test_what_was_not_taken_is_not_sent_again(error: Exception) -> None:
    sent, post = failing(error)
    with pytest.raises(type(error), match=f"^{error}$"):
        posted_once(post, None, pause=0)
    assert len(sent) == 1


def test_a_server_is_asked_until_patience_ends() -> None:
    asked, ask = failing(*[NoServer("away")] * PATIENCE)
    assert waited_for(ask, pause=0) == "answered"
    asked, ask = failing(*[NoServer("away")] * 99)
    with pytest.raises(NoServer):
        waited_for(ask, pause=0)
    assert len(asked) == PATIENCE + 1


class Restarting(Client):
    """Knows one suite, and does not answer every other time."""

    def __init__(self, suite: SuiteView) -> None:
        """Connected to nobody."""
        super().__init__("http://127.0.0.1:9")
        self._suite, self._asked = suite, list[bool]()

    def suite(self, suite_id: UUID, *, table: bool = True) -> SuiteView:
        """That suite, from the second time on."""
        self._asked.append(table)
        if len(self._asked) % 2:
            raise NoAnswer("the database does not answer")
        assert suite_id == self._suite.id
        return self._suite


def test_a_suite_is_waited_for_also_where_it_is_over() -> None:
    over = SuiteView(
        id=UUID(int=1),
        project="default",
        name="over",
        created_at=datetime.now(UTC),
        states={},
        over=True,
        jobs=[],
        comparison=None,
    )
    with Restarting(over) as client:
        assert follow(client, over.id, nothing, pause=0) is over


def test_a_job_of_this_process_is_shown_on_when_the_database_is_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    following = Following(Database("sqlite:////nowhere/at/all.db"))
    following.start(UUID(int=1))
    following.finish()
    assert "Traceback" not in capsys.readouterr().err
