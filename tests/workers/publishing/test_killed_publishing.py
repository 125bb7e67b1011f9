"""The publishing process is killed at each of its steps: in the end there is exactly one commit."""

from collections.abc import Callable

import pytest
from tests.releases import Registered
from tests.team_hub import TeamHub
from tests.workers.publishing.killing import killed_at_the_hub, lost_its_holder, start
from tests.workers.publishing.publish_once import varying

from alambique.registry import publications
from alambique.registry.records import Publication
from alambique.spec.states import PublicationState
from alambique.workers.publishing.publisher import Publisher

AT_THE_HUB = [
    *(("create", "before"), ("create", "after"), ("history", "before"), ("preupload", "before")),
    *(("batch", "after"), ("upload", "before"), ("upload", "after"), ("commit", "before")),
    *(("tag", "before"), ("tag", "after"), ("settings", "before"), ("settings", "after")),
    *(("collection", "after"), ("item", "after")),
]
MOST_TELLING = [("commit", "after")]
HERE = ["staging", "recording"]


def one_commit(team: TeamHub) -> None:
    """Nothing was done twice, and nothing is half done."""
    repository = team.repositories["team/pico"]
    assert len(team.publications("team/pico")) == 1
    assert len(repository.commits) == 2
    assert repository.tags == {"v1": repository.head.id}
    assert not repository.private
    assert [len(one["items"]) for one in team.collections.values()] == [1]


def ends_published(publisher: Publisher, team: TeamHub) -> None:
    publisher.documents = (varying,)
    row = publisher.publish_next()
    assert row is not None
    assert (row.state, row.message) == (PublicationState.PUBLISHED, None)
    one_commit(team)
    assert publisher.publish_next() is None
    staging = publisher.settings.home / "staging"
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize(("step", "when"), MOST_TELLING)
def test_killed_between_commit_and_record(
    step: str,
    when: str,
    asked: Callable[..., Publication],
    registered: Registered,
    publisher: Publisher,
    team: TeamHub,
) -> None:
    row = asked(private=False, collection="family")
    killed_at_the_hub(step, when, row, registered, team)
    assert len(team.publications("team/pico")) == 1
    ends_published(publisher, team)


@pytest.mark.slow
@pytest.mark.parametrize(("step", "when"), AT_THE_HUB)
def test_killed_at_each_step_at_the_hub(
    step: str,
    when: str,
    asked: Callable[..., Publication],
    registered: Registered,
    publisher: Publisher,
    team: TeamHub,
) -> None:
    row = asked(private=False, collection="family")
    killed_at_the_hub(step, when, row, registered, team)
    ends_published(publisher, team)


@pytest.mark.slow
@pytest.mark.parametrize("point", HERE)
def test_killed_while_staging_and_while_recording(
    point: str,
    asked: Callable[..., Publication],
    registered: Registered,
    publisher: Publisher,
    team: TeamHub,
) -> None:
    row = asked(private=False, collection="family")
    with start(team, registered, point) as process:
        assert process.wait(60) == -9
    lost_its_holder(registered, row)
    ends_published(publisher, team)


@pytest.mark.slow
def test_killed_at_every_step_one_after_the_other(
    asked: Callable[..., Publication],
    registered: Registered,
    publisher: Publisher,
    team: TeamHub,
) -> None:
    row = asked(private=False, collection="family")
    steps = ("upload", "commit", "tag", "settings", "item")
    for step, when in ((step, when) for step in steps for when in ("before", "after")):
        killed_at_the_hub(step, when, row, registered, team)
    ends_published(publisher, team)


@pytest.mark.slow
def test_killed_once_it_is_recorded(
    asked: Callable[..., Publication],
    registered: Registered,
    publisher: Publisher,
    team: TeamHub,
) -> None:
    row = asked(private=False, collection="family")
    with start(team, registered, "recorded") as process:
        assert process.wait(60) == -9
    with registered.database.read() as session:
        assert publications.find(session, row.id).state is PublicationState.PUBLISHED
    assert publisher.publish_next() is None
    one_commit(team)


@pytest.mark.slow
def test_two_processes_at_once_make_one_commit(
    asked: Callable[..., Publication],
    registered: Registered,
    publisher: Publisher,
    team: TeamHub,
) -> None:
    """The first is held at its commit until another, which has its lease, has made it."""
    row = asked(private=False, collection="family")
    publisher.documents = (varying,)
    ends: list[str] = []

    def meanwhile(step: str) -> None:
        if step == "commit":
            team.before = lambda step: None
            lost_its_holder(registered, row)
            ended = publisher.publish_next()
            ends.append(str(ended.state) if ended else "none")

    team.before = meanwhile
    with start(team, registered) as process:
        said, _ = process.communicate(timeout=120)
    assert (ends, said) == (["published"], "published")
    one_commit(team)
