"""A person's note stands in the card of the one commit, or the publication is refused."""

from collections.abc import Callable

import pytest
from tests.releases import Registered
from tests.team_hub import TeamHub

from alambique.registry import publications, tables
from alambique.registry.records import Publication
from alambique.spec.errors import Conflict
from alambique.spec.publication import LicenceOverride
from alambique.spec.states import PublicationState
from alambique.workers.publishing.publisher import Publisher

Ask = Callable[..., Publication]
NOTE = LicenceOverride(by="Ana Ruiz", note="agreed with the owners of the data")


def wait_again(registered: Registered, row: Publication) -> None:
    """As after a worker that was killed before it has recorded what it did."""
    with registered.database.write() as session:
        held = session.get_one(tables.Publication, row.id)
        held.state, held.published_at = PublicationState.WAITING, None


def test_a_note_that_is_given_before_stands_in_the_card_and_is_found_again(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered
) -> None:
    row = asked(override=NOTE)
    first = publisher.publish_next()
    assert first is not None
    assert first.state is PublicationState.PUBLISHED
    for name in ("README.md", "LICENSES.md"):
        assert NOTE.note.encode() in team.repositories["team/pico"].head.files[name]
    wait_again(registered, row)
    again = publisher.publish_next()
    assert again is not None
    assert (again.state, again.commit) == (PublicationState.PUBLISHED, first.commit)


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("to", ["hub:team/pico", "folder:pico"])
def test_a_note_for_what_is_published_is_refused_at_once(
    asked: Ask, publisher: Publisher, registered: Registered, to: str, private: bool
) -> None:
    row = asked(to)
    publisher.publish_next()
    with pytest.raises(Conflict, match="without the note of Ana Ruiz"):
        asked(to, override=NOTE, private=private)
    with registered.database.read() as session:
        left = publications.find(session, row.id)
    assert (left.state, left.override) == (PublicationState.PUBLISHED, None)


def test_the_note_that_it_was_published_with_may_be_given_again(
    asked: Ask, publisher: Publisher, team: TeamHub
) -> None:
    asked(override=NOTE)
    publisher.publish_next()
    asked(override=NOTE, private=False)
    row = publisher.publish_next()
    assert row is not None
    assert (row.state, row.private) == (PublicationState.PUBLISHED, False)
    assert len(team.publications("team/pico")) == 1


@pytest.mark.parametrize("to", ["hub:team/pico", "folder:pico"])
def test_a_note_that_comes_between_commit_and_record_is_refused(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered, to: str
) -> None:
    row = asked(to)
    publisher.publish_next()
    wait_again(registered, row)
    asked(to, override=NOTE)
    refused = publisher.publish_next()
    assert refused is not None
    assert refused.state is PublicationState.REFUSED
    assert "a card that lacks the note" in str(refused.message)
    if to == "hub:team/pico":
        assert len(team.publications("team/pico")) == 1
        del team.repositories["team/pico"]  # as the message says
        asked(to, override=NOTE)
        done = publisher.publish_next()
        assert done is not None
        assert done.state is PublicationState.PUBLISHED
        assert NOTE.note.encode() in team.repositories["team/pico"].head.files["README.md"]
