"""A server that is gone for a moment: under which key it is asked again."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from alambique.api.transport import NoAnswer, NoServer
from alambique.cli.job_follower import JobFollower
from alambique.cli.posting import post_once
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
    assert post_once(post, None, pause=0) == "answered"
    assert len({key for (key,) in sent}) == 1
    assert UUID(sent[0][0])
    sent, post = failing(NoAnswer("read timeout"))
    assert post_once(post, "mine", pause=0) == "answered"
    assert sent == [("mine",), ("mine",)]


def test_where_no_answer_comes_it_is_told_how_to_send_it_again() -> None:
    sent, post = failing(*[NoAnswer("read timeout")] * 9)
    with pytest.raises(NoServer) as raised:
        post_once(post, None, pause=0)
    assert str(raised.value) == (
        "read timeout; it may have been queued all the same: give the same command again with "
        f"--key {sent[0][0]}, and nothing is queued twice"
    )


@pytest.mark.parametrize("error", [NoServer("start one"), BadSpec("no such field")])
def test_what_was_not_taken_is_not_sent_again(error: Exception) -> None:
    sent, post = failing(error)
    with pytest.raises(type(error), match=f"^{error}$"):
        post_once(post, None, pause=0)
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("file", "failed"), [(".", 0), ("without-tables.db", 1)], ids=["no database", "no table"]
)
def test_showing_a_job_outlasts_a_database_that_is_away_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, failed: int
) -> None:
    seen: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    following = JobFollower(Database(f"sqlite:///{tmp_path}/{file}"))
    following.start(UUID(int=1))
    following.finish()
    assert len(seen) == failed
