"""Aliases: each points to one version, moves with a history, and is taken where a number is."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.registry.made_versions import recorded, running, several

from alambique.registry import aliases, versions
from alambique.registry.database import Database
from alambique.registry.records import Alias
from alambique.spec.errors import BadSpec, Stale, UnknownName
from alambique.spec.job import Job

MODEL = "default", "tiny-ner"


def point(database: Database, alias: str, number: int, expected: set[int] | None = None) -> Alias:
    with database.write() as session:
        return aliases.point(session, *MODEL, alias, number, expected=expected)


def numbers(alias: Alias) -> list[int | None]:
    return [move.number for move in alias.moves]


def test_an_alias_moves_and_remembers_where_it_was(database: Database, job: Job) -> None:
    several(database, job, 3)
    for number in (1, 3, 3, 2):
        moved = point(database, "champion", number)
        assert moved.number == number
    assert numbers(moved) == [1, 3, 2]  # it was at 3 already
    with database.write() as session:
        removed = aliases.remove(session, *MODEL, "champion")
    assert numbers(removed) == [1, 3, 2, None]
    assert removed.number is None
    assert [move.at for move in removed.moves] == sorted(move.at for move in removed.moves)
    assert numbers(point(database, "champion", 1)) == [1, 3, 2, None, 1]
    with database.read() as session:
        assert [each.name for each in aliases.of_model(session, *MODEL)] == ["champion"]


def test_an_alias_names_its_version_wherever_a_number_does(database: Database, job: Job) -> None:
    first, _ = several(database, job, 2)
    other = recorded(database, running(database, job), name="other")
    point(database, "champion", 1)
    point(database, "stable", 1)
    with database.read() as session:
        found = versions.find(session, *MODEL, "champion")
        assert (found.id, found.aliases) == (first.id, ("champion", "stable"))
        assert versions.page(session, name="tiny-ner").items[1] == found
        there = {("tiny-ner", "champion"), ("tiny-ner", "latest"), ("tiny-ner", "2")}
        absent = {("tiny-ner", "best"), (other.name, "champion"), ("tiny-ner", "3")}
        assert versions.find_existing(session, "default", there | absent) == there
        with pytest.raises(UnknownName, match="champion, stable"):
            versions.find(session, *MODEL, "best")
        with pytest.raises(UnknownName):
            versions.find(session, "default", other.name, "champion")


@pytest.mark.parametrize("alias", ["latest", "LATEST", "3", "3x", "", "a b", "a/b", "ñ", "a" * 97])
def test_a_name_that_is_no_alias_is_refused(database: Database, job: Job, alias: str) -> None:
    several(database, job, 1)
    with pytest.raises(BadSpec, match="alias"):
        point(database, alias, 1)


def test_an_alias_points_to_what_is_there(database: Database, job: Job) -> None:
    several(database, job, 1)
    with pytest.raises(UnknownName):
        point(database, "champion", 2)
    with database.write() as session, pytest.raises(UnknownName, match="it has none"):
        aliases.remove(session, *MODEL, "champion")
    with database.write() as session, pytest.raises(UnknownName, match="no model"):
        aliases.point(session, "other", "tiny-ner", "champion", 1)


def test_who_knows_an_older_alias_moves_nothing(database: Database, job: Job) -> None:
    several(database, job, 3)
    with pytest.raises(Stale, match="no version"):
        point(database, "champion", 1, expected={1})
    known = point(database, "champion", 1).tag
    later = point(database, "champion", 2, expected={known}).tag
    assert later > known
    with pytest.raises(Stale, match="tiny-ner@2"):
        point(database, "champion", 3, expected={known})
    with database.write() as session, pytest.raises(Stale):
        aliases.remove(session, *MODEL, "champion", expected={known})
    with database.read() as session:
        assert aliases.find(session, *MODEL, "champion").number == 2


def test_of_many_who_know_the_same_one_moves_it(database: Database, job: Job) -> None:
    several(database, job, 6)
    known = point(database, "champion", 6).tag

    def move(number: int) -> bool:
        try:
            point(database, "champion", number, expected={known})
        except Stale:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        moved = list(pool.map(move, range(1, 6)))
    assert moved.count(True) == 1
    with database.read() as session:
        found = aliases.find(session, *MODEL, "champion")
    assert numbers(found) == [6, moved.index(True) + 1]


def test_many_set_a_new_alias_at_once(database: Database, job: Job) -> None:
    several(database, job, 4)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: point(database, "champion", number), range(1, 5)))
    with database.read() as session:
        found = aliases.find(session, *MODEL, "champion")
    assert sorted(filter(None, numbers(found))) == [1, 2, 3, 4]
    assert found.number == numbers(found)[-1]
